"""JSON types are taken at their word: `"5"` is no number, `true` is no integer, `1` is not true. `1.0` is 1."""

from typing import Any

import pytest

from tests.schemas.requests.loading import Load, both_endpoints, chat, completion, refusal

INTEGERS = [
    "top_k",
    "seed",
    "n",
    "best_of",
    "max_tokens",
    "min_tokens",
    "prompt_logprobs",
    "truncate_prompt_tokens",
    "priority",
]
NUMBERS = [
    "temperature",
    "top_p",
    "min_p",
    "presence_penalty",
    "frequency_penalty",
    "repetition_penalty",
    "length_penalty",
]
BOOLEANS = [
    "stream",
    "ignore_eos",
    "use_beam_search",
    "skip_special_tokens",
    "spaces_between_special_tokens",
    "include_stop_str_in_output",
    "echo",
    "enable_repeat_stopper",
    "add_default_stop",
    "return_token_ids",
]
TEXTS = ["model", "user", "cache_salt"]

NOT_INTEGERS = {
    "digits": "1",
    "a boolean": True,
    "a float": 1.5,
    "an array": [1],
    "an object": {},
}
NOT_NUMBERS = {"digits": "1", "a boolean": True, "an array": [1], "an object": {}}
NOT_BOOLEANS = {"one": 1, "zero": 0, "a word": "true", "the empty string": "", "an array": []}
NOT_TEXTS = {"a number": 5, "a boolean": False, "an array": ["a"], "an object": {}}


def wrong(values: dict[str, Any]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("value", values.values(), ids=values)


@both_endpoints
@pytest.mark.parametrize("field", INTEGERS)
@wrong(NOT_INTEGERS)
def test_an_integer_is_nothing_else(load: Load, field: str, value: Any) -> None:
    assert refusal(load, **{field: value}) == {field: ["Expected an integer."]}


@both_endpoints
@pytest.mark.parametrize("field", INTEGERS)
def test_an_integer_may_be_written_as_a_float(load: Load, field: str) -> None:
    assert load(**{field: 1.0}) == load(**{field: 1})


@both_endpoints
@pytest.mark.parametrize("field", NUMBERS)
@wrong(NOT_NUMBERS)
def test_a_number_is_nothing_else(load: Load, field: str, value: Any) -> None:
    assert refusal(load, **{field: value}) == {field: ["Expected a number."]}


@both_endpoints
@pytest.mark.parametrize("field", NUMBERS)
def test_a_number_may_be_written_as_an_integer(load: Load, field: str) -> None:
    load(**{field: 1})


@both_endpoints
@pytest.mark.parametrize("field", BOOLEANS)
@wrong(NOT_BOOLEANS)
def test_a_boolean_is_nothing_else(load: Load, field: str, value: Any) -> None:
    assert refusal(load, **{field: value}) == {field: ["Expected true or false."]}


@both_endpoints
@pytest.mark.parametrize("field", TEXTS)
@wrong(NOT_TEXTS)
def test_a_text_is_nothing_else(load: Load, field: str, value: Any) -> None:
    assert refusal(load, **{field: value}) == {field: ["Expected a string."]}


@pytest.mark.parametrize(
    "field", ["add_generation_prompt", "continue_final_message", "logprobs", "parallel_tool_calls", "include_reasoning"]
)
@wrong(NOT_BOOLEANS)
def test_a_boolean_of_chat_is_nothing_else(field: str, value: Any) -> None:
    assert refusal(chat, **{field: value}) == {field: ["Expected true or false."]}


@pytest.mark.parametrize("field", ["max_completion_tokens", "top_logprobs"])
@wrong(NOT_INTEGERS)
def test_an_integer_of_chat_is_nothing_else(field: str, value: Any) -> None:
    assert refusal(chat, logprobs=True, **{field: value}) == {field: ["Expected an integer."]}


@wrong(NOT_TEXTS)
def test_the_forced_prompt_is_text(value: Any) -> None:
    assert refusal(chat, force_prompt=value) == {"force_prompt": ["Expected a string."]}


@wrong(NOT_INTEGERS)
def test_logprobs_of_completions_is_a_number_of_alternatives(value: Any) -> None:
    assert refusal(completion, logprobs=value) == {"logprobs": ["Expected an integer."]}


@both_endpoints
@pytest.mark.parametrize("value", [True, "yes", [True]], ids=["true", "a word", "an array"])
def test_stream_options_are_an_object(load: Load, value: Any) -> None:
    assert refusal(load, stream=True, stream_options=value).keys() == {"stream_options"}


@both_endpoints
def test_a_wrong_type_within_stream_options_is_named(load: Load) -> None:
    errors = refusal(load, stream=True, stream_options={"include_usage": "yes"})

    assert errors == {"stream_options": {"include_usage": ["Expected true or false."]}}
