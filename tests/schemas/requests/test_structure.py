"""What the text must be: from either way to say it to the one on the wire."""

from typing import Any

import pytest

from schemas.requests.parts.structure import MAX_BYTES
from tests.schemas.requests.loading import Load, both_endpoints, refusal

OBJECT = {"type": "object", "properties": {"a": {"type": "integer"}}}
STRICT = {"type": "json_schema", "json_schema": {"name": "a", "schema": OBJECT, "strict": True}}


@both_endpoints
@pytest.mark.parametrize(
    ("body", "kind", "value", "field"),
    [
        ({"response_format": STRICT}, "json", OBJECT, "response_format.json_schema.schema"),
        ({"response_format": {"type": "json_object"}}, "json_object", True, "response_format"),
        ({"structured_outputs": {"json": OBJECT}}, "json", OBJECT, "structured_outputs.json"),
        ({"structured_outputs": {"json": '{"type": "object"}'}}, "json", {"type": "object"}, "structured_outputs.json"),
        ({"structured_outputs": {"json": {}}}, "json", {}, "structured_outputs.json"),
        ({"structured_outputs": {"json_object": True}}, "json_object", True, "structured_outputs.json_object"),
        ({"structured_outputs": {"regex": "a+"}}, "regex", "a+", "structured_outputs.regex"),
        ({"structured_outputs": {"choice": ["a", "b"]}}, "choice", ["a", "b"], "structured_outputs.choice"),
        ({"structured_outputs": {"grammar": 'root ::= "a"'}}, "grammar", 'root ::= "a"', "structured_outputs.grammar"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_one_structure_reaches_the_engine(load: Load, body: dict[str, Any], kind: str, value: Any, field: str) -> None:
    structure = load(**body).params.sampling.structure

    assert structure is not None
    assert getattr(structure, kind) == value
    assert structure.field == field


@both_endpoints
def test_text_asks_for_nothing(load: Load) -> None:
    assert load(response_format={"type": "text"}).params.sampling.structure is None


@both_endpoints
@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"response_format": {"type": "yaml"}}, "response_format"),
        ({"response_format": {}}, "response_format"),
        ({"response_format": "json_object"}, "response_format"),
        ({"response_format": {"type": "json_schema"}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}}, "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {"schema": []}}}, "response_format"),
        ({"structured_outputs": {}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a", "choice": ["a"]}}, "structured_outputs"),
        ({"structured_outputs": {"regex": ""}}, "structured_outputs"),
        ({"structured_outputs": {"choice": []}}, "structured_outputs"),
        ({"structured_outputs": {"choice": [""]}}, "structured_outputs"),
        ({"structured_outputs": {"choice": ["a"] * 1025}}, "structured_outputs"),
        ({"structured_outputs": {"grammar": "a" * (MAX_BYTES + 1)}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a"}, "response_format": {"type": "json_object"}}, "structured_outputs"),
        ({"structured_outputs": {"regex": "a"}, "use_beam_search": True}, "structured_outputs"),
        ({"response_format": {"type": "json_object"}, "use_beam_search": True}, "response_format"),
    ],
    ids=lambda value: str(value)[:60],
)
def test_what_is_no_structure_is_refused(load: Load, body: dict[str, Any], field: str) -> None:
    assert refusal(load, **body).keys() == {field}


@both_endpoints
def test_a_schema_of_a_megabyte_is_too_large(load: Load) -> None:
    schema = {"type": "object", "properties": {f"field_{number}": {"type": "string"} for number in range(30_000)}}
    errors = refusal(load, response_format={"type": "json_schema", "json_schema": {"name": "a", "schema": schema}})

    (message,) = errors["response_format"]["json_schema"]["schema"]
    assert str(MAX_BYTES) in message


@both_endpoints
@pytest.mark.parametrize(("field", "value"), [("min_tokens", 3), ("bad_words", ["a"])])
def test_not_with_a_beam_search(load: Load, field: str, value: Any) -> None:
    assert refusal(load, use_beam_search=True, **{field: value}) == {
        field: ["Cannot be combined with `use_beam_search`."]
    }


@both_endpoints
def test_log_probabilities_of_the_prompt_come_whole_and_once(load: Load) -> None:
    assert load(prompt_logprobs=0).params.sampling.prompt_logprobs == 0
    assert refusal(load, prompt_logprobs=1, stream=True).keys() == {"prompt_logprobs"}
    logprobs: Any = True if load.__name__ == "chat" else 1
    assert refusal(load, prompt_logprobs=1, echo=True, logprobs=logprobs).keys() == {"prompt_logprobs"}


@both_endpoints
def test_nothing_is_no_prompt(load: Load) -> None:
    assert load(truncate_prompt_tokens=-1).params.truncate_prompt_tokens == -1
    assert refusal(load, truncate_prompt_tokens=0) == {
        "truncate_prompt_tokens": ["Must not be 0: no prompt would be left."]
    }


@both_endpoints
def test_usage_may_come_with_every_chunk(load: Load) -> None:
    options = {"continuous_usage_stats": True}

    assert load(stream=True, stream_options={**options, "include_usage": True}).continuous_usage is True
    assert load(stream=True, stream_options=options).continuous_usage is False
