"""The shared fields that hold several values: stops, white lists, biases."""

from typing import Any

import pytest

from tests.schemas.requests.loading import Load, both_endpoints, refusal

TOKEN_LISTS = ["stop_token_ids", "white_list_token_ids", "allowed_token_ids"]
TEXT_LISTS = ["stop", "white_list_token", "bad_words"]
BIG = 2**31 - 1


@both_endpoints
def test_a_lone_stop_is_a_list_of_one(load: Load) -> None:
    assert load(stop="\n").params.sampling.stop == ["\n"]


@both_endpoints
@pytest.mark.parametrize("value", [5, True, 1.5], ids=["a number", "a boolean", "a float"])
def test_a_lone_stop_is_text(load: Load, value: Any) -> None:
    assert refusal(load, stop=value) == {"stop": {0: ["Expected a string."]}}


@both_endpoints
@pytest.mark.parametrize("field", ["stop", "white_list_token", *TOKEN_LISTS])
def test_a_list_is_no_object(load: Load, field: str) -> None:
    errors = refusal(load, **{field: {"0": "a"}})

    assert errors.keys() == {field}
    assert "array" in errors[field][0]


@both_endpoints
@pytest.mark.parametrize("field", ["white_list_token", *TOKEN_LISTS])
def test_only_stop_takes_a_lone_value(load: Load, field: str) -> None:
    assert refusal(load, **{field: "a"}) == {field: ["Expected an array."]}


@both_endpoints
@pytest.mark.parametrize("field", TEXT_LISTS)
@pytest.mark.parametrize(("value", "taken"), [("a", True), ("字" * 1000, True), ("a" * 1001, False)])
def test_the_length_of_a_text_in_a_list(load: Load, field: str, value: str, taken: bool) -> None:
    if taken:
        assert getattr(load(**{field: ["ok", value]}).params.sampling, field) == ["ok", value]
    else:
        assert refusal(load, **{field: ["ok", value]})[field].keys() == {1}


@both_endpoints
@pytest.mark.parametrize(
    ("field", "item", "most"),
    [
        ("stop", "a", 64),
        ("stop_token_ids", 1, 1024),
        ("white_list_token_ids", 1, 1024),
        ("white_list_token", "a", 1024),
        ("allowed_token_ids", 1, 1024),
        ("bad_words", "a", 256),
    ],
)
def test_how_many_a_list_may_hold(load: Load, field: str, item: Any, most: int) -> None:
    assert len(getattr(load(**{field: [item] * most}).params.sampling, field)) == most
    assert refusal(load, **{field: [item] * (most + 1)}).keys() == {field}


@both_endpoints
@pytest.mark.parametrize("field", TOKEN_LISTS)
def test_token_ids_at_the_edges_are_taken(load: Load, field: str) -> None:
    assert getattr(load(**{field: [0, BIG]}).params.sampling, field) == [0, BIG]


@both_endpoints
@pytest.mark.parametrize("field", TOKEN_LISTS)
@pytest.mark.parametrize("value", [-1, BIG + 1, "1", True, 1.5], ids=repr)
def test_what_is_no_token_id_is_named_by_its_place(load: Load, field: str, value: Any) -> None:
    errors = refusal(load, **{field: [7, value]})

    assert errors.keys() == {field}
    assert errors[field].keys() == {1}


@both_endpoints
@pytest.mark.parametrize("value", [-100, 100, 0.5])
def test_a_bias_within_the_range_is_taken(load: Load, value: float) -> None:
    assert load(logit_bias={"greeting": value}).params.sampling.logit_bias == {"greeting": value}


@both_endpoints
@pytest.mark.parametrize("value", [-100.1, 100.1, "5", True, [5]], ids=repr)
def test_a_wrong_bias_is_named_by_its_token(load: Load, value: Any) -> None:
    errors = refusal(load, logit_bias={"greeting": value})

    assert errors == {"logit_bias": {"greeting": ["Expected a number in [-100, 100]."]}}


@both_endpoints
def test_a_bias_needs_a_token(load: Load) -> None:
    assert refusal(load, logit_bias={"": 1}) == {"logit_bias": ["A token must not be empty."]}


@both_endpoints
@pytest.mark.parametrize("value", [[["a", 1]], "a", 5, True], ids=repr)
def test_the_biases_are_an_object(load: Load, value: Any) -> None:
    assert refusal(load, logit_bias=value) == {"logit_bias": ["Expected an object from token to bias."]}


@both_endpoints
def test_how_many_biases_there_may_be(load: Load) -> None:
    biases = {str(token): 1 for token in range(1024)}

    assert len(load(logit_bias=biases).params.sampling.logit_bias) == 1024
    assert refusal(load, logit_bias={**biases, "more": 1}).keys() == {"logit_bias"}
