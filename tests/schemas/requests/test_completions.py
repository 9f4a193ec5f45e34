"""The body of a text completion: its prompts, and the fields that only it has."""

from typing import Any

import pytest

from schemas.requests.completions import MAX_PROMPTS
from tests.schemas.requests.loading import COMPLETION, completion, refusal

BIG = 2**31 - 1


@pytest.mark.parametrize(
    ("prompt", "prompts"),
    [
        ("Once", ["Once"]),
        ("", [""]),
        (["Once", "upon"], ["Once", "upon"]),
        ([1, 2, 3], [[1, 2, 3]]),
        ([[1, 2], [3]], [[1, 2], [3]]),
        ([0, BIG], [[0, BIG]]),
        ([1.0, 2], [[1, 2]]),
    ],
    ids=["text", "empty text", "texts", "token ids", "lists of token ids", "the edges of a token id", "whole floats"],
)
def test_all_four_forms_of_a_prompt_become_a_list_of_prompts(prompt: Any, prompts: list[Any]) -> None:
    generate = completion(prompt=prompt).params

    assert generate.prompts == prompts
    assert generate.messages is None


@pytest.mark.parametrize("prompt", [5, True, {}, []], ids=repr)
def test_anything_else_is_refused(prompt: Any) -> None:
    message = "Expected a string, an array of strings, of token ids, or of arrays of token ids."

    assert refusal(completion, prompt=prompt) == {"prompt": [message]}


@pytest.mark.parametrize(
    "prompt",
    [["a", [1]], [[1], "a"], ["a", 1], [True], [None], [1.5], [{"text": "a"}]],
    ids=repr,
)
def test_prompts_are_all_of_one_form(prompt: Any) -> None:
    assert refusal(completion, prompt=prompt).keys() == {"prompt"}


@pytest.mark.parametrize("token", [-1, BIG + 1, True, "1", 1.5, None], ids=repr)
def test_what_is_no_token_id_is_named_by_its_place(token: Any) -> None:
    assert refusal(completion, prompt=[7, token]) == {"prompt": {1: ["Expected a token id."]}}
    assert refusal(completion, prompt=[[7], [7, token]]) == {"prompt": {1: {1: ["Expected a token id."]}}}


def test_a_list_of_token_ids_is_not_empty() -> None:
    assert refusal(completion, prompt=[[7], []]) == {"prompt": {1: ["Expected at least one token id."]}}


def test_how_many_prompts_there_may_be() -> None:
    assert completion(prompt=["a"] * MAX_PROMPTS).params.choices == MAX_PROMPTS
    assert refusal(completion, prompt=["a"] * (MAX_PROMPTS + 1)) == {
        "prompt": [f"Expected at most {MAX_PROMPTS} prompts."]
    }


def test_one_prompt_may_have_more_token_ids_than_there_may_be_prompts() -> None:
    assert completion(prompt=[7] * (MAX_PROMPTS + 1)).params.choices == 1


@pytest.mark.parametrize("body", [{}, {"prompt": None}], ids=["left out", "null"])
def test_a_prompt_is_required(body: dict[str, None]) -> None:
    assert refusal(lambda **given: COMPLETION.load(given), **body).keys() == {"prompt"}


def test_sixteen_tokens_are_the_default_length() -> None:
    assert completion().params.sampling.max_tokens == 16
    assert completion(max_tokens=None).params.sampling.max_tokens == 16
    assert completion(max_tokens=17).params.sampling.max_tokens == 17


@pytest.mark.parametrize("alternatives", [None, 0, 3])
def test_logprobs_of_none_are_not_zero_alternatives(alternatives: int | None) -> None:
    request = completion(logprobs=alternatives)

    assert request.params.sampling.logprobs == alternatives
    assert request.logprobs is (alternatives is not None)


@pytest.mark.parametrize("value", [5, True, ["a"]], ids=repr)
def test_a_suffix_is_text(value: Any) -> None:
    assert refusal(completion, suffix=value) == {"suffix": ["Expected a string."]}
