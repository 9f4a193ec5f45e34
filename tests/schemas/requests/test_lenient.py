"""What other servers take and whose meaning is plain is taken; what has no effect is said in a warning."""

from typing import Any

import pytest

from schemas.requests.generation import Request
from schemas.requests.parts.json_types import MAX_ALTERNATIVES
from schemas.requests.parts.warnings import MAX_WARNINGS, begin, taken, warn
from schemas.requests.plain import PlainSchema
from schemas.requests.responses import WITH_LOGPROBS, ResponseSchema
from schemas.wire import Structure
from tests.schemas.requests.loading import HELLO, Load, both_endpoints, chat, completion, refusal

SCHEMA = {"type": "object", "properties": {"a": {"type": "integer"}}}
FUNCTION = {"name": "weather", "description": None, "parameters": {"type": "object"}}


def structure(request: Request) -> Structure:
    found = request.params.sampling.structure
    assert found is not None
    return found


# ---- nulls ------------------------------------------------------------------------------------------------------


@both_endpoints
@pytest.mark.parametrize(
    ("body", "same"),
    [
        ({"response_format": {"type": "text", "json_schema": None, "schema": None}}, {}),
        ({"stop": [None]}, {}),
        ({"stop": ["a", None]}, {"stop": ["a"]}),
        ({"stop_token_ids": [None, 5]}, {"stop_token_ids": [5]}),
        ({"bad_words": [None]}, {}),
        ({"logit_bias": {"5": None, "6": 1}}, {"logit_bias": {"6": 1}}),
        ({"stream_options": {"include_usage": None, "continuous_usage_stats": None}}, {}),
        ({"guided_json": None, "guided_choice": None, "guided_decoding_backend": None}, {}),
        ({"functions": None, "function_call": None}, {}),
    ],
    ids=repr,
)
def test_a_null_counts_as_absent_at_any_depth(load: Load, body: dict[str, Any], same: dict[str, Any]) -> None:
    assert load(**body) == load(**same)


@both_endpoints
def test_a_null_inside_a_format_counts_as_absent(load: Load) -> None:
    named = {"name": None, "strict": None, "description": None, "schema": SCHEMA}
    request = load(response_format={"type": "json_schema", "json_schema": named, "schema": None})

    assert structure(request).json == SCHEMA


def test_a_null_inside_the_text_format_of_a_response_counts_as_absent() -> None:
    def format_of(**members: Any) -> Any:
        return ResponseSchema().load({"input": "a", "text": {"format": members}}).request.params.sampling.structure

    assert format_of(type="text", name=None, schema=None, strict=None) is None
    assert format_of(type="json_schema", name=None, strict=None, schema=SCHEMA).json == SCHEMA


def test_a_null_in_what_a_response_includes_counts_as_absent() -> None:
    assert ResponseSchema().load({"input": "a", "include": [None]}).request.logprobs is False
    assert ResponseSchema().load({"input": "a", "include": [None, WITH_LOGPROBS]}).request.logprobs is True


@both_endpoints
@pytest.mark.parametrize("field", ["white_list_token_ids", "white_list_token", "allowed_token_ids"])
def test_a_null_in_a_white_list_is_refused(load: Load, field: str) -> None:
    """Without it the list might be empty, and everything allowed."""
    assert refusal(load, **{field: [None]})[field].keys() == {0}


# ---- values -----------------------------------------------------------------------------------------------------


@both_endpoints
@pytest.mark.parametrize("stop", ["", [""], [None, ""]], ids=repr)
def test_an_empty_stop_is_none(load: Load, stop: Any) -> None:
    assert load(stop=stop) == load()


@both_endpoints
def test_options_of_a_stream_are_taken_without_one(load: Load) -> None:
    assert load(stream_options={"include_usage": True}).params == load().params


@both_endpoints
def test_a_top_p_of_zero_is_the_likeliest_token(load: Load) -> None:
    sampling = load(top_p=0, top_k=5).params.sampling

    assert (sampling.top_p, sampling.top_k) == (1, 1)


def test_a_top_p_of_zero_is_the_likeliest_token_in_every_api() -> None:
    for request in (PlainSchema().load({"prompt": "a", "top_p": 0}), ResponseSchema().load({"input": "a", "top_p": 0})):
        assert getattr(request, "request", request).params.sampling.top_k == 1


@both_endpoints
@pytest.mark.parametrize("value", [-1, -1.0])
def test_minus_one_token_is_the_rest_of_the_context(load: Load, value: float) -> None:
    assert load(max_tokens=value).params.sampling.max_tokens is None


def test_minus_one_token_is_the_rest_of_the_context_by_every_name() -> None:
    assert chat(max_tokens=5, max_completion_tokens=-1).params.sampling.max_tokens is None
    assert PlainSchema().load({"prompt": "a", "max_length": -1}).params.sampling.max_tokens is None
    response = ResponseSchema().load({"input": "a", "max_output_tokens": -1})
    assert response.request.params.sampling.max_tokens is None


@pytest.mark.parametrize("effort", ["", "default", None])
def test_the_default_effort_is_the_models(effort: str | None) -> None:
    assert chat(reasoning_effort=effort) == chat()
    response = ResponseSchema().load({"input": "a", "reasoning": {"effort": effort}})
    assert response.request.params.chat_template_kwargs == {}


def test_the_greatest_effort_is_taken() -> None:
    assert chat(reasoning_effort="max").params.chat_template_kwargs["reasoning_effort"] == "max"
    assert refusal(chat, reasoning_effort="utmost").keys() == {"reasoning_effort"}


@pytest.mark.parametrize(
    "request_",
    [chat(logprobs=True, top_logprobs=-1), completion(logprobs=-1)],
    ids=["chat", "completion"],
)
def test_all_alternatives_are_the_most_there_are(request_: Request) -> None:
    assert request_.params.sampling.logprobs == MAX_ALTERNATIVES
    (warning,) = request_.warnings
    assert str(MAX_ALTERNATIVES) in warning and "logprobs`" in warning


@both_endpoints
def test_all_alternatives_of_the_prompt_are_the_most_there_are(load: Load) -> None:
    request = load(prompt_logprobs=-1)

    assert request.params.sampling.prompt_logprobs == MAX_ALTERNATIVES
    assert len(request.warnings) == 1


def test_no_alternatives_need_no_logprobs() -> None:
    assert chat(top_logprobs=0) == chat()


# ---- other spellings --------------------------------------------------------------------------------------------


@both_endpoints
@pytest.mark.parametrize(
    ("format_", "field"),
    [
        ({"type": "json_object", "schema": SCHEMA}, "response_format.schema"),
        ({"type": "json_schema", "schema": SCHEMA}, "response_format.schema"),
        ({"type": "json_schema", "json_schema": SCHEMA}, "response_format.json_schema.schema"),
        ({"type": "json_object", "json_schema": {"schema": SCHEMA}}, "response_format.json_schema.schema"),
    ],
    ids=["llama.cpp's object", "llama.cpp's schema", "the schema itself", "a schema of an object"],
)
def test_a_schema_is_found_where_other_servers_have_it(load: Load, format_: dict[str, Any], field: str) -> None:
    found = structure(load(response_format=format_))

    assert (found.json, found.field) == (SCHEMA, field)


@both_endpoints
@pytest.mark.parametrize(
    ("field", "kind", "value"),
    [
        ("guided_json", "json", SCHEMA),
        ("guided_regex", "regex", "a+"),
        ("guided_choice", "choice", ["a", "b"]),
        ("guided_grammar", "grammar", 'root ::= "a"'),
    ],
)
def test_vllms_older_names_of_a_structure(load: Load, field: str, kind: str, value: Any) -> None:
    request = load(**{field: value})

    assert getattr(structure(request), kind) == value
    assert request.warnings == ()


@both_endpoints
def test_an_older_name_of_a_structure_is_the_one_that_an_error_has(load: Load) -> None:
    assert refusal(load, guided_regex="").keys() == {"guided_regex"}
    assert refusal(load, guided_json=5).keys() == {"guided_json"}
    assert refusal(load, guided_json=SCHEMA, guided_regex="a").keys() == {"guided_regex"}
    assert refusal(load, guided_json=SCHEMA, structured_outputs={"regex": "a"}).keys() == {"guided_json"}


@both_endpoints
@pytest.mark.parametrize("field", ["guided_decoding_backend", "guided_whitespace_pattern"])
def test_what_has_no_effect_is_said(load: Load, field: str) -> None:
    (warning,) = load(**{field: "x"}).warnings

    assert field in warning


def test_functions_are_tools() -> None:
    request = chat(functions=[FUNCTION], function_call={"name": "weather"})
    (tool,) = request.params.tools

    assert tool == {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
    assert request.params.tool_choice == {"type": "function", "function": {"name": "weather"}}
    assert "functions" in request.warnings[0]
    assert chat(functions=[FUNCTION]).params.tool_choice == "auto"
    assert chat(functions=[FUNCTION], function_call="none").params.tool_choice == "none"


def test_a_broken_function_has_the_name_that_was_sent() -> None:
    assert refusal(chat, functions=5).keys() == {"functions"}
    assert refusal(chat, functions=[FUNCTION, {"name": 5}])["functions"].keys() == {1}


# ---- warnings ---------------------------------------------------------------------------------------------------


def test_a_warning_is_given_once_and_to_its_own_request() -> None:
    assert refusal(chat, prompt_logprobs=-1, temperature=5).keys() == {"temperature"}
    begin()
    for _ in range(2):
        warn("one")
    for number in range(MAX_WARNINGS):
        warn(str(number))
    assert taken()[:2] == ("one", "0")
    assert len(chat().warnings) == 0


def test_a_warning_reaches_the_reply() -> None:
    assert chat(messages=[HELLO], prompt_logprobs=-1).shape_options()["warnings"]
