"""What vLLM gets for a sequence that another engine began."""

from types import SimpleNamespace
from typing import Any

from vllm.sampling_params import SamplingParams

from engine_proc.adapter.named_tokens import MAX_BIASES
from engine_proc.adapter.resuming import HIGHEST_SEED, Resumed, can_continue, remaining_params

MANY = list(range(MAX_BIASES))


def resumed(sent: list[int], **fields: Any) -> Resumed:
    prepared = SimpleNamespace(sampling_params=SamplingParams(**fields))
    made = Resumed(prepared, len(sent), "1")
    made._charged_twice = frozenset(sent) if fields.get("presence_penalty") else frozenset()
    made._biased = set(sent)
    return made


def test_a_penalty_is_a_bias_for_each_different_token() -> None:
    params = SamplingParams(presence_penalty=1.0, frequency_penalty=0.5, logit_bias={5: 3.0}, max_tokens=9)
    assert remaining_params(params, [5, 6, 6]).logit_bias == {5: 3.0 - 1.5, 6: -2.0}


def test_what_is_left_is_generated_with_other_random_numbers() -> None:
    params = SamplingParams(max_tokens=9, min_tokens=4, seed=7, prompt_logprobs=1)
    left = remaining_params(params, [5, 6, 7])
    assert (left.max_tokens, left.min_tokens, left.seed, left.prompt_logprobs) == (6, 1, 10, None)
    assert remaining_params(params, [5] * 9).max_tokens == 1, "vLLM takes no less"
    assert remaining_params(SamplingParams(seed=HIGHEST_SEED - 1), [5, 6, 7]).seed == 2
    assert remaining_params(SamplingParams(), [5]).seed is None
    assert params.max_tokens == 9


def test_no_restart_has_more_biases_than_vllm_takes() -> None:
    """A sequence grows while it is resumed, and each restart counts the tokens since as sent."""
    growing = resumed(MANY[:-1], presence_penalty=1.0)
    growing.observe([3])
    assert growing.stale
    growing.observe([5000])
    assert not growing.stale
    growing.observe([3])
    assert growing.stale, "as many as vLLM takes"
    growing.observe([5001])
    growing.observe([3])
    assert not growing.stale


def test_what_cannot_be_continued() -> None:
    penalised = SamplingParams(frequency_penalty=-0.5, logit_bias={3: 1.0, 5000: 1.0})
    assert can_continue(penalised, MANY[1:])
    assert not can_continue(penalised, MANY)
    assert can_continue(SamplingParams(repetition_penalty=1.5), [*MANY, 5000]), "vLLM applies it to prompts too"
