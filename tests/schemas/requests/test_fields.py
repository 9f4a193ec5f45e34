"""The fields both endpoints share: what reaches the wire, what the defaults are, what null means."""

from typing import Any

import pytest

from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.wire import Sampling
from tests.schemas.requests.loading import (
    CHAT,
    COMPLETION,
    HELLO,
    Load,
    both_endpoints,
    chat,
    completion,
    read,
    refusal,
)

DEFAULTS: dict[str, Any] = {
    "model": "",
    "temperature": None,
    "top_p": None,
    "top_k": None,
    "min_p": None,
    "seed": None,
    "presence_penalty": 0.0,
    "frequency_penalty": 0.0,
    "repetition_penalty": None,
    "n": 1,
    "stop": [],
    "stop_token_ids": [],
    "stream": False,
    "logit_bias": {},
    "white_list_token_ids": [],
    "white_list_token": [],
    "user": "",
    "ignore_eos": False,
    "skip_special_tokens": True,
    "spaces_between_special_tokens": None,
    "include_stop_str_in_output": False,
    "add_default_stop": True,
    "stop_on_repetition": False,
    "include_usage": False,
    "continuous_usage": False,
    "return_token_ids": False,
    "min_tokens": 0,
    "bad_words": [],
    "allowed_token_ids": [],
    "prompt_logprobs": None,
    "truncate_prompt_tokens": None,
    "priority": 0,
    "cache_salt": "",
}

GIVEN: dict[str, Any] = {
    "model": "gpt-3.5-turbo",
    "temperature": 0.7,
    "top_p": 0.9,
    "top_k": 40,
    "min_p": 0.05,
    "seed": -1,
    "presence_penalty": 0.5,
    "frequency_penalty": -0.5,
    "repetition_penalty": 1.2,
    "n": 3,
    "max_tokens": 7,
    "stop": ["END", "\n"],
    "stop_token_ids": [50256],
    "stream": True,
    "logit_bias": {"greeting": 10, "42": -100},
    "white_list_token_ids": [1, 2],
    "white_list_token": ["yes"],
    "user": "somebody",
    "ignore_eos": True,
    "skip_special_tokens": False,
    "spaces_between_special_tokens": False,
    "include_stop_str_in_output": True,
    "add_default_stop": False,
    "length_penalty": 1.5,
    "return_token_ids": True,
    "min_tokens": 3,
    "bad_words": ["no"],
    "allowed_token_ids": [3],
    "truncate_prompt_tokens": 9,
    "priority": -1,
    "cache_salt": "salt",
}


@both_endpoints
@pytest.mark.parametrize(("field", "default"), DEFAULTS.items(), ids=DEFAULTS)
def test_left_out_means_the_default(load: Load, field: str, default: Any) -> None:
    value = read(load(), field)

    assert value == default
    assert type(value) is type(default)


@both_endpoints
@pytest.mark.parametrize(("field", "value"), GIVEN.items(), ids=GIVEN)
def test_a_given_value_is_kept(load: Load, field: str, value: Any) -> None:
    assert read(load(**{field: value}), field) == value


@both_endpoints
def test_the_repeat_stopper_reaches_the_engine_under_its_own_name(load: Load) -> None:
    assert load(enable_repeat_stopper=True).params.sampling.stop_on_repetition is True


def test_no_sampling_field_of_the_wire_is_forgotten_here() -> None:
    tested_elsewhere = {"logprobs", "prompt_logprobs", "stop_on_repetition", "structure", "use_beam_search"}

    assert GIVEN.keys() | tested_elsewhere >= set(Sampling.__struct_fields__)


@pytest.mark.parametrize("field", sorted(CHAT.fields.keys() - {"messages"}))
def test_null_means_the_default_in_chat(field: str) -> None:
    assert chat(**{field: None}) == chat()


@pytest.mark.parametrize("field", sorted(COMPLETION.fields.keys() - {"prompt"}))
def test_null_means_the_default_in_completions(field: str) -> None:
    assert completion(**{field: None}) == completion()


def test_null_usage_in_stream_options_means_false() -> None:
    assert chat(stream=True, stream_options={"include_usage": None}).include_usage is False


@both_endpoints
def test_stream_options_ask_for_usage(load: Load) -> None:
    assert load(stream=True, stream_options={"include_usage": True}).include_usage is True


@both_endpoints
def test_an_unknown_field_is_ignored(load: Load) -> None:
    assert load(service_tier="high") == load()


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        (ChatCompletionSchema(strict_fields=True), {"messages": [HELLO]}),
        (CompletionSchema(strict_fields=True), {"prompt": "Hello"}),
    ],
    ids=["chat", "completion"],
)
def test_strict_fields_refuse_an_unknown_field_and_no_known_one(
    schema: ChatCompletionSchema | CompletionSchema, body: dict[str, Any]
) -> None:
    def load(**more: Any) -> Any:
        return schema.load({**body, **more})

    assert refusal(load, service_tier="high") == {"service_tier": ["Unknown field."]}
    assert load(temperature=0.5).params.sampling.temperature == 0.5


@both_endpoints
def test_every_wrong_field_is_named(load: Load) -> None:
    assert refusal(load, temperature=3, top_p="1").keys() == {"temperature", "top_p"}


@both_endpoints
def test_no_logprobs_are_the_default(load: Load) -> None:
    assert load().params.sampling.logprobs is None
    assert load().logprobs is False
