"""The body of the plain API."""

from typing import Any

import pytest

from schemas.requests.generation import Request
from schemas.requests.plain import PlainSchema
from tests.schemas.requests.loading import refusal


def plain(**body: Any) -> Request:
    loaded: Request = PlainSchema().load({"prompt": "Hello", **body})
    return loaded


def test_the_prompt_alone_is_one_message_with_the_models_own_sampling() -> None:
    request = plain()

    assert request.params.messages == [{"role": "user", "content": "Hello"}]
    sampling = request.params.sampling
    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (None, None, None)
    assert request.model is None


def test_the_history_goes_before_the_prompt() -> None:
    assert plain(history=[["a", "b"], ["c", "d"]]).params.messages == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"},
        {"role": "assistant", "content": "d"},
        {"role": "user", "content": "Hello"},
    ]


def test_the_limits_are_kept() -> None:
    sampling = plain(max_length=7, temperature=0, top_p=0.5).params.sampling

    assert (sampling.max_tokens, sampling.temperature, sampling.top_p) == (7, 0, 0.5)


@pytest.mark.parametrize("field", ["history", "max_length", "top_p", "temperature"])
def test_null_is_the_same_as_left_out(field: str) -> None:
    assert plain(**{field: None}) == plain()


def test_the_prompt_is_required() -> None:
    assert refusal(lambda **body: PlainSchema().load(body), history=[]).keys() == {"prompt"}


@pytest.mark.parametrize("value", [None, 5, True, ["Hello"], {}], ids=repr)
def test_a_prompt_is_text(value: Any) -> None:
    assert refusal(plain, prompt=value).keys() == {"prompt"}


@pytest.mark.parametrize("turn", ["ab", ["a"], ["a", "b", "c"], ["a", None], ["a", 5], {"a": "b"}, None], ids=repr)
def test_a_turn_is_two_texts(turn: Any) -> None:
    assert refusal(plain, history=[["a", "b"], turn])["history"].keys() == {1}


@pytest.mark.parametrize("value", ["ab", {}, 5], ids=repr)
def test_a_history_is_an_array(value: Any) -> None:
    assert refusal(plain, history=value) == {"history": ["Expected an array."]}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_length", 0),
        ("max_length", 2**31),
        ("max_length", 1.5),
        ("max_length", "5"),
        ("top_p", -0.5),
        ("top_p", 1.01),
        ("temperature", -0.1),
        ("temperature", 2.1),
        ("temperature", True),
    ],
)
def test_values_out_of_range(field: str, value: Any) -> None:
    assert refusal(plain, **{field: value}).keys() == {field}


def test_unknown_fields_are_ignored_unless_strict() -> None:
    assert plain(top_k=5) == plain()
    strict = PlainSchema(strict_fields=True)
    assert refusal(lambda **body: strict.load(body), prompt="Hello", top_k=5).keys() == {"top_k"}
