"""`best_of`, beam search, `echo` and `suffix`: what reaches the engine, and what does not go together."""

from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.requests.completions import CompletionSchema
from tests.schemas.requests.loading import Load, both_endpoints, chat, completion, refusal


@both_endpoints
@pytest.mark.parametrize(
    ("body", "candidates"),
    [({}, 1), ({"n": 3}, 3), ({"best_of": 4}, 4), ({"n": 3, "best_of": 4}, 4), ({"n": 5, "best_of": 3}, 5)],
    ids=repr,
)
def test_best_of_below_n_is_raised_to_n(load: Load, body: dict[str, int], candidates: int) -> None:
    assert load(**body).params.candidates == candidates


@both_endpoints
@pytest.mark.parametrize("body", [{"best_of": 2}, {"best_of": 2, "n": None}, {"best_of": 4, "n": 3}], ids=repr)
def test_a_winner_who_is_known_at_the_end_is_not_streamed(load: Load, body: dict[str, Any]) -> None:
    errors = refusal(load, stream=True, **body)

    assert errors == {"best_of": ["`best_of` above `n` cannot be streamed: the best are known at the end."]}


@both_endpoints
@pytest.mark.parametrize("body", [{"best_of": 3, "n": 3}, {"best_of": 2, "n": 3}, {"best_of": None}], ids=repr)
def test_best_of_that_chooses_nothing_is_streamed(load: Load, body: dict[str, Any]) -> None:
    assert load(stream=True, **body).params.stream is True


@both_endpoints
def test_beams_are_streamed_when_they_are_finished(load: Load) -> None:
    generate = load(stream=True, use_beam_search=True, best_of=4, n=2, length_penalty=0.5).params

    assert (generate.candidates, generate.choices) == (4, 2)
    assert (generate.sampling.use_beam_search, generate.sampling.length_penalty) == (True, 0.5)


@both_endpoints
def test_nothing_of_this_is_the_default(load: Load) -> None:
    generate = load().params

    assert (generate.echo, generate.suffix, generate.sampling.use_beam_search) == (False, "", False)
    assert generate.sampling.length_penalty == 1.0


@both_endpoints
def test_echo_reaches_the_engine(load: Load) -> None:
    assert load(echo=True).params.echo is True


@pytest.mark.parametrize(("suffix", "sent"), [("the end", "the end"), ("", ""), (None, "")], ids=repr)
def test_a_suffix_reaches_the_engine(suffix: str | None, sent: str) -> None:
    assert completion(suffix=suffix).params.suffix == sent


def test_a_completion_of_no_tokens_scores_a_prompt_that_is_echoed() -> None:
    assert completion(max_tokens=0, echo=True).params.sampling.max_tokens == 0


@pytest.mark.parametrize(
    "body", [{}, {"echo": False}, {"echo": None}, {"echo": True, "use_beam_search": True}], ids=repr
)
def test_no_tokens_are_refused_where_there_is_nothing_to_score_or_much_to_search(body: dict[str, Any]) -> None:
    assert refusal(completion, max_tokens=0, **body).keys() == {"max_tokens"}


def test_a_chat_of_no_tokens_is_refused_with_echo_too() -> None:
    assert refusal(chat, max_tokens=0, echo=True).keys() == {"max_tokens"}


@pytest.mark.parametrize("field", ["n", "best_of"])
def test_the_highest_number_of_choices_is_a_setting(field: str) -> None:
    schema = CompletionSchema(max_choices=2)
    schema.load({"prompt": "Hello", field: 2})
    with pytest.raises(ValidationError) as caught:
        schema.load({"prompt": "Hello", field: 3})
    assert caught.value.messages == {field: ["Must be greater than or equal to 1 and less than or equal to 2."]}
