"""The OpenAPI document says what the schemas do."""

import json
from typing import Any

import jsonschema
import pytest
from marshmallow import Schema, ValidationError, fields, validate
from openapi_spec_validator import validate as validate_document

from schemas.openapi.document import document
from schemas.openapi.reference import endpoints, markdown
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.parts.messages import MessageSchema
from schemas.requests.parts.streaming import StreamOptionsSchema
from schemas.requests.plain import PlainSchema
from schemas.shared.endpoint import PROJECT_ROOT

DOCUMENT = document()
COMPONENTS = DOCUMENT["components"]["schemas"]
BODIES: dict[str, type[Schema]] = {
    "ChatCompletionRequest": ChatCompletionSchema,
    "CompletionRequest": CompletionSchema,
    "PlainRequest": PlainSchema,
    "Message": MessageSchema,
    "StreamOptions": StreamOptionsSchema,
}
FIELDS = [
    pytest.param(COMPONENTS[component]["properties"].get(name), field, id=f"{component}.{name}")
    for component, schema in BODIES.items()
    for name, field in schema().fields.items()
]
CALL = {"id": "x", "type": "function", "function": {"name": "f", "arguments": "{}"}}
VALID: list[tuple[str, dict[str, Any]]] = [
    ("PlainRequest", {"prompt": "Hello", "history": [["a", "b"]], "max_length": 5, "top_p": 1, "temperature": 0}),
    ("CompletionRequest", {"prompt": ["a", "b"], "max_tokens": 0, "echo": True, "stop": "x"}),
    ("CompletionRequest", {"prompt": [1, 2], "logit_bias": None}),
    ("CompletionRequest", {"prompt": [[1], [2, 3]], "stop": ["x", "y"]}),
    ("ChatCompletionRequest", {"messages": [{"role": "user", "content": "a"}], "conversation_id": "42"}),
    ("ChatCompletionRequest", {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}]}]}),
    ("ChatCompletionRequest", {"messages": [{"role": "assistant", "content": None, "tool_calls": [CALL]}]}),
    (
        "ChatCompletionRequest",
        {
            "messages": [{"role": "user", "content": "a"}],
            "stream": True,
            "stream_options": {"include_usage": True},
            "temperature": None,
        },
    ),
]
INVALID: list[tuple[str, dict[str, Any]]] = [
    ("PlainRequest", {}),
    ("PlainRequest", {"prompt": "Hello", "history": [["a"]]}),
    ("PlainRequest", {"prompt": "Hello", "top_p": -1}),
    ("CompletionRequest", {"prompt": []}),
    ("CompletionRequest", {"prompt": ["a", 5]}),
    ("CompletionRequest", {"prompt": [[1], []]}),
    ("CompletionRequest", {"prompt": "a", "logprobs": 21}),
    ("CompletionRequest", {"prompt": "a", "stop": ["x"] * 65}),
    ("CompletionRequest", {"prompt": "a", "logit_bias": {"5": 101}}),
    ("CompletionRequest", {"prompt": "a", "white_list_token_ids": [-1]}),
    ("ChatCompletionRequest", {"messages": []}),
    ("ChatCompletionRequest", {"messages": [{"role": "wizard", "content": "a"}]}),
    ("ChatCompletionRequest", {"messages": [{"role": "user", "content": 5}]}),
    ("ChatCompletionRequest", {"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}),
    ("ChatCompletionRequest", {"messages": [{"role": "user", "content": "a"}], "temperature": "hot"}),
    ("ChatCompletionRequest", {"messages": [{"role": "user", "content": "a"}], "conversation_id": ""}),
]


def check(component: str, body: Any) -> None:
    """Raises `jsonschema.ValidationError`."""
    schema = {"$ref": f"#/components/schemas/{component}", "components": DOCUMENT["components"]}
    jsonschema.validate(body, schema, jsonschema.Draft202012Validator)


def seed(name: str) -> Any:
    return json.loads((PROJECT_ROOT / "tests/seed" / f"{name}.json").read_text())


def test_the_document_is_openapi() -> None:
    validate_document(DOCUMENT)


def test_it_is_made_anew_each_time_and_the_same() -> None:
    assert document() == DOCUMENT


@pytest.mark.parametrize(("documented", "field"), FIELDS)
def test_every_field_is_there_with_all_that_the_schema_knows(
    documented: dict[str, Any] | None, field: fields.Field[Any]
) -> None:
    assert documented is not None
    assert documented["description"] == field.metadata["description"]
    assert documented["description"].endswith((".", ")."))
    if not field.required and field.name not in ("name", "reasoning", "tool_calls", "tool_call_id"):
        assert documented["default"] == field.load_default
    for validator in field.validators:
        limits = str(documented)
        for limit in (getattr(validator, "min", None), getattr(validator, "max", None)):
            assert limit is None or str(limit) in limits
        if isinstance(validator, validate.OneOf):
            assert [value for value in documented["enum"] if value is not None] == list(validator.choices)


@pytest.mark.parametrize("component", BODIES)
def test_no_field_is_there_that_the_schema_has_not(component: str) -> None:
    schema = BODIES[component]()
    assert set(COMPONENTS[component]["properties"]) == set(schema.fields)
    required = {name for name, field in schema.fields.items() if field.required}
    assert set(COMPONENTS[component].get("required", ())) == required


@pytest.mark.parametrize(
    ("component", "body"),
    [
        *VALID,
        ("ChatCompletionRequest", seed("chat_request")),
        ("CompletionRequest", seed("completion_request")),
    ],
)
def test_what_the_document_allows_the_schemas_take(component: str, body: dict[str, Any]) -> None:
    check(component, body)
    BODIES[component]().load(body)


@pytest.mark.parametrize(("component", "body"), INVALID)
def test_what_the_document_forbids_the_schemas_refuse(component: str, body: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        check(component, body)
    with pytest.raises(ValidationError):
        BODIES[component]().load(body)


def test_api_md_is_current() -> None:
    assert (PROJECT_ROOT / "docs/api.md").read_text() == markdown(DOCUMENT), "run `make docs`"


def test_a_range_and_a_default_are_words() -> None:
    rows = {field.path: field for endpoint in endpoints(DOCUMENT) for field in endpoint.fields}

    assert rows["repetition_penalty"].range == "above 0 to 100"
    assert rows["top_p"].range == "0 to 1"
    assert rows["top_p"].default == "the model's default, or 1"
    assert rows["messages[].role"].default == "required"
    assert rows["stop"].type == "string or array of strings"
    assert rows["stream_options.include_usage"].type == "boolean"
    assert rows["logit_bias"].range == "up to 1024 keys; each -100 to 100; up to 65536 characters in all"
