"""Answers that must be of a form: what comes back is of it, and what is no form is refused."""

import re
from typing import Any, Literal

import pytest
from pydantic import BaseModel
from pydantic_core import from_json

from tests.e2e.fields.asking import CHAT, ENDPOINTS, ask, refused
from tests.harness import Hearth

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])


class Weather(BaseModel):
    city: Literal["Paris", "Rome"]
    sunny: bool


SCHEMA = Weather.model_json_schema()


def test_the_sdk_returns_a_typed_object(hearth: Hearth) -> None:
    reply = hearth.openai().chat.completions.parse(
        model="m", messages=[{"role": "user", "content": "Hello"}], response_format=Weather, temperature=0
    )
    assert isinstance(reply.choices[0].message.parsed, Weather)


@pytest.mark.field("response_format")
@both
def test_a_schema_is_held_to(hearth: Hearth, endpoint: str) -> None:
    format_ = {"type": "json_schema", "json_schema": {"name": "weather", "schema": SCHEMA}}
    for seed in range(3):
        answer = ask(hearth, endpoint, response_format=format_, temperature=2, seed=seed, max_tokens=100)
        Weather.model_validate_json(answer.text)


@pytest.mark.field("response_format")
def test_any_object(hearth: Hearth) -> None:
    for prompt in ("Describe yourself in JSON.", "Hello", "Write a long story."):
        text = ask(hearth, CHAT, prompt, response_format={"type": "json_object"}, max_tokens=60).text
        assert isinstance(from_json(text, allow_partial=True), dict), "where the model comes to no end, a part of one"


@pytest.mark.field("structured_outputs")
@both
@pytest.mark.parametrize(
    ("structure", "pattern"),
    [
        ({"choice": ["red", "green"]}, "red|green"),
        ({"regex": "[0-9]{3}-[a-z]{2}"}, "[0-9]{3}-[a-z]{2}"),
        ({"grammar": 'root ::= "yes" | "no, " [0-9]'}, "yes|no, [0-9]"),
        ({"json": {"type": "integer"}}, "-?[0-9]+"),
    ],
    ids=["choice", "regex", "grammar", "json"],
)
def test_a_form_is_held_to(hearth: Hearth, endpoint: str, structure: dict[str, Any], pattern: str) -> None:
    text = ask(hearth, endpoint, structured_outputs=structure, temperature=1, seed=1).text
    assert re.fullmatch(pattern, text.strip())


@both
@pytest.mark.parametrize(
    ("fields", "param"),
    [
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "nothing"}}}},
            "response_format.json_schema.schema.type",
        ),
        (
            {"structured_outputs": {"json": {"properties": {"a": {"minimum": "low"}}}}},
            "structured_outputs.json.properties.a.minimum",
        ),
        (
            {"structured_outputs": {"json": {"properties": {"a": {"type": "array", "uniqueItems": True}}}}},
            "structured_outputs.json.properties.a",
        ),
        ({"structured_outputs": {"json": {"properties": {"a": {"$ref": "#/x"}}}}}, "structured_outputs.json"),
        ({"structured_outputs": {"json": {"$ref": "#"}}}, "structured_outputs.json"),
        ({"structured_outputs": {"regex": "(a"}}, "structured_outputs.regex"),
        ({"structured_outputs": {"grammar": "root ::= "}}, "structured_outputs.grammar"),
        ({"structured_outputs": {"grammar": "what is this"}}, "structured_outputs.grammar"),
    ],
    ids=["type", "minimum", "unsupported", "no such definition", "itself", "regex", "grammar", "no grammar"],
)
def test_what_cannot_be_compiled_says_where(hearth: Hearth, endpoint: str, fields: dict[str, Any], param: str) -> None:
    assert refused(hearth, endpoint, **fields)["param"] == param


@both
@pytest.mark.parametrize(
    ("schema", "pattern"),
    [
        ({"type": "string", "pattern": r"^\p{Lu}[\p{L}]{2}$"}, r'"[A-Z\u0080-\uffff]\w\w"'),
        ({"type": "string", "pattern": r"^(?<year>[0-9]{4})[\w-.]$"}, r'"[0-9]{4}[\w.-]"'),
        (
            {"type": "array", "items": [{"enum": ["a"]}, {"enum": [5]}], "additionalItems": False, "minItems": 2},
            r'."a", ?5.',
        ),
        ({"$ref": "#/definitions/a", "definitions": {"a": {"enum": ["b"]}}}, '"b"'),
        ({"enum": ["b"], "default": None, "title": None}, '"b"'),
    ],
    ids=["unicode", "named group", "draft-07", "draft-04", "nulls"],
)
def test_older_drafts_and_javascripts_patterns_are_held_to(
    hearth: Hearth, endpoint: str, schema: dict[str, Any], pattern: str
) -> None:
    text = ask(hearth, endpoint, structured_outputs={"json": schema}, temperature=1, seed=1, max_tokens=60).text
    assert re.fullmatch(pattern, text)


@both
@pytest.mark.parametrize(
    "fields",
    [{"allowed_token_ids": [5]}, {"white_list_token": ["z"]}, {"white_list_token": ["z"], "stream": True}],
    ids=["ids", "text", "streamed"],
)
def test_what_leaves_no_token_is_the_requests_fault(hearth: Hearth, endpoint: str, fields: dict[str, Any]) -> None:
    error = refused(hearth, endpoint, structured_outputs={"choice": ["red", "green"]}, **fields)
    assert error["param"] == "structured_outputs.choice"


@pytest.mark.parametrize("regex", ["(a+)+b", "(a|aa)+" * 8, "((a{0,100}){0,100}){0,100}", "[a-z]{1,10000}"], ids=str)
def test_a_regex_that_blows_up_holds_up_nobody(hearth: Hearth, regex: str) -> None:
    body = {
        "prompt": "Hello",
        "structured_outputs": {"regex": regex},
        "max_tokens": 4,
        "temperature": 0,
    }
    response = hearth.post("/v1/completions", body)
    assert response.status_code in (200, 400), response.text
    assert hearth.chat("Who are you?")
