"""The simulated GPU's steps take the time that they should, and bring each sequence its tokens."""

import time
from types import SimpleNamespace
from typing import Any

import pytest

from bench.simulated_gpu import TOKEN_ID, SimulatedGpu
from bench.step_time import STEP_VARIABLE, StepTime


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> SimulatedGpu:
    monkeypatch.setenv(STEP_VARIABLE, "20,0,1000")
    gpu = object.__new__(SimulatedGpu)
    gpu.scheduler_config = SimpleNamespace(async_scheduling=False)
    gpu._init_executor()
    return gpu


def scheduled(tokens: dict[str, int], new: dict[str, int], going_on: dict[str, tuple[int, int]]) -> Any:
    """`tokens` of each sequence; lengths of `new` prompts; computed and generated tokens of those `going_on`."""
    cached = SimpleNamespace(
        req_ids=list(going_on),
        num_computed_tokens=[computed for computed, _ in going_on.values()],
        num_output_tokens=[generated for _, generated in going_on.values()],
    )
    begun = [SimpleNamespace(req_id=name, prompt_len=length, num_computed_tokens=0) for name, length in new.items()]
    return SimpleNamespace(
        num_scheduled_tokens=tokens,
        scheduled_new_reqs=begun,
        scheduled_cached_reqs=cached,
        finished_req_ids=set(),
    )


def test_a_sequence_gets_a_token_once_its_prompt_is_computed(gpu: SimulatedGpu) -> None:
    assert gpu.execute_model(scheduled({"a": 3, "b": 2}, {"a": 3, "b": 5}, {})) is None
    assert gpu.sample_tokens(None).sampled_token_ids == [[TOKEN_ID], []]
    gpu.execute_model(scheduled({"a": 1, "b": 3}, {}, {"a": (3, 1), "b": (2, 0)}))
    output = gpu.sample_tokens(None)
    assert output.req_ids == ["a", "b"]
    assert output.sampled_token_ids == [[TOKEN_ID], [TOKEN_ID]]


def test_a_step_begins_when_the_one_before_ends(gpu: SimulatedGpu) -> None:
    began = time.monotonic()
    steps = []
    for step in (1, 2, 3):
        gpu.execute_model(scheduled({"a": 1}, {"a": 1} if step == 1 else {}, {} if step == 1 else {"a": (step, step)}))
        steps.append(gpu.sample_tokens(None, non_block=True))
    assert time.monotonic() - began < 0.02, "it says at once what it will have computed"
    steps[2].result()
    assert time.monotonic() - began >= 0.061, "three steps of 20 ms, and 1 ms for a token of a prompt"
    assert all(step.done() for step in steps)


def test_a_step_without_sequences_is_over_at_once(gpu: SimulatedGpu) -> None:
    assert gpu.execute_model(scheduled({}, {}, {}), non_block=True).result().sampled_token_ids == []


def test_the_time_of_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(STEP_VARIABLE, "8.0,15,6")
    assert StepTime.read().of(64, 1000) == pytest.approx(0.008 + 0.00096 + 0.006)
