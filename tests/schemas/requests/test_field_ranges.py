"""Each range at its edge, and just outside it."""

import pytest

from tests.schemas.requests.loading import Load, both_endpoints, chat, completion, read, refusal

BIG = 2**31 - 1
BELOW_ZERO, ABOVE_ZERO, ABOVE_ONE = -1e-9, 1e-9, 1 + 1e-9

INSIDE: list[tuple[str, float]] = [
    ("temperature", 0),
    ("temperature", 2),
    ("top_p", ABOVE_ZERO),
    ("top_p", 1),
    ("top_k", -1),
    ("top_k", 0),
    ("top_k", BIG),
    ("min_p", 0),
    ("min_p", 1),
    ("seed", -(2**63)),
    ("seed", 2**63 - 1),
    ("presence_penalty", -2),
    ("presence_penalty", 2),
    ("frequency_penalty", -2),
    ("frequency_penalty", 2),
    ("repetition_penalty", ABOVE_ZERO),
    ("repetition_penalty", 100),
    ("n", 1),
    ("n", 128),
    ("max_tokens", 1),
    ("max_tokens", BIG),
    ("min_tokens", 0),
    ("min_tokens", BIG),
    ("prompt_logprobs", 0),
    ("prompt_logprobs", 20),
    ("truncate_prompt_tokens", -1),
    ("truncate_prompt_tokens", BIG),
    ("priority", -(2**31)),
    ("priority", BIG),
]

OUTSIDE: list[tuple[str, float]] = [
    ("temperature", BELOW_ZERO),
    ("temperature", 2.000001),
    ("top_p", BELOW_ZERO),
    ("top_p", ABOVE_ONE),
    ("top_k", -2),
    ("top_k", BIG + 1),
    ("min_p", BELOW_ZERO),
    ("min_p", ABOVE_ONE),
    ("seed", -(2**63) - 1),
    ("seed", 2**63),
    ("presence_penalty", -2.000001),
    ("presence_penalty", 2.000001),
    ("frequency_penalty", -2.000001),
    ("frequency_penalty", 2.000001),
    ("repetition_penalty", 0),
    ("repetition_penalty", -1),
    ("repetition_penalty", 100.0001),
    ("n", 0),
    ("n", 129),
    ("n", -1),
    ("best_of", 0),
    ("best_of", 129),
    ("max_tokens", -2),
    ("max_tokens", BIG + 1),
    ("length_penalty", -100.0001),
    ("length_penalty", 100.0001),
    ("min_tokens", -1),
    ("min_tokens", BIG + 1),
    ("prompt_logprobs", -2),
    ("prompt_logprobs", 21),
    ("truncate_prompt_tokens", -2),
    ("priority", BIG + 1),
]


def name(value: object) -> str:
    return str(value)


@both_endpoints
@pytest.mark.parametrize(("field", "value"), INSIDE, ids=name)
def test_the_edge_belongs_to_the_range(load: Load, field: str, value: float) -> None:
    assert read(load(**{field: value}), field) == value


@both_endpoints
@pytest.mark.parametrize(("field", "value"), OUTSIDE, ids=name)
def test_past_the_edge_is_refused_by_name(load: Load, field: str, value: float) -> None:
    errors = refusal(load, **{field: value})

    assert errors.keys() == {field}
    assert errors[field][0].startswith("Must be ")


@both_endpoints
@pytest.mark.parametrize("value", [-100, 100])
def test_the_edge_of_the_length_penalty_is_taken(load: Load, value: float) -> None:
    load(length_penalty=value)


@both_endpoints
def test_best_of_may_be_as_large_as_n_and_smaller(load: Load) -> None:
    assert load(n=128, best_of=128).params.n == 128
    assert load(n=5, best_of=3).params.n == 5


@pytest.mark.parametrize(("value", "taken"), [(1, True), (BIG, True), (0, False), (BIG + 1, False)])
def test_the_range_of_max_completion_tokens(value: int, taken: bool) -> None:
    if taken:
        assert chat(max_completion_tokens=value).params.sampling.max_tokens == value
    else:
        assert refusal(chat, max_completion_tokens=value).keys() == {"max_completion_tokens"}


@pytest.mark.parametrize(("value", "taken"), [(0, True), (20, True), (-2, False), (21, False)])
def test_the_range_of_alternatives(value: int, taken: bool) -> None:
    if taken:
        assert completion(logprobs=value).params.sampling.logprobs == value
        assert chat(logprobs=True, top_logprobs=value).params.sampling.logprobs == value
    else:
        assert refusal(completion, logprobs=value).keys() == {"logprobs"}
        assert refusal(chat, logprobs=True, top_logprobs=value).keys() == {"top_logprobs"}
