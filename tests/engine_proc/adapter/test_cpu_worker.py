"""vLLM's model runner for CPUs: prompts that are prefilled in parts, or whose log probabilities are computed so."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from vllm.utils.import_utils import resolve_obj_by_qualname
from vllm.v1.sample.sampler import Sampler
from vllm.v1.worker import cpu_worker
from vllm.v1.worker.cpu_model_runner import CPUModelRunner
from vllm.v1.worker.gpu_model_runner import GPUModelRunner

from engine_proc.adapter.loading.cpu_worker import ROWS_AT_ONCE, ModelRunner
from engine_proc.adapter.loading.model import CPU_WORKER


def runner(kind: type[Any], unfinished: list[bool]) -> Any:
    """A runner in the middle of a step, each request with a seed."""
    made = object.__new__(kind)
    made.discard_request_mask = SimpleNamespace(np=np.array([*unfinished, True]))  # the buffer is longer
    made.input_batch = SimpleNamespace(
        num_reqs=len(unfinished),
        generators={row: torch.Generator().manual_seed(row) for row in range(len(unfinished))},
    )
    return made


def test_a_cpus_generator_cannot_be_set_back() -> None:
    """Fails when PyTorch or vLLM changes this: `ModelRunner` is not needed then."""
    with pytest.raises(RuntimeError, match="does not use offset"):
        torch.Generator().get_offset()
    made = runner(CPUModelRunner, [True])
    made.use_async_scheduling = False
    with pytest.raises(RuntimeError, match="does not use offset"):
        made._bookkeeping_sync(None, None, None, None, 0)


def test_only_requests_whose_prompt_is_complete_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    drew: list[list[int]] = []
    made = runner(ModelRunner, [True, False, True])
    before = dict(made.input_batch.generators)

    def note(self: Any, *args: Any) -> Any:
        drew.append(sorted(self.input_batch.generators))
        return args

    for name in ("_sample", "_bookkeeping_sync"):
        monkeypatch.setattr(GPUModelRunner, name, note)
    for _ in range(2):
        assert made._sample("logits", None) == ("logits", None)
        assert made._bookkeeping_sync("output", "logits") == ("output", "logits")
        assert made.input_batch.generators == before
    assert drew == [[1], [1], [1], [1]], "a step's sampling, and what follows, twice"


VOCABULARY, HIDDEN = 50, 8


def scores(kind: type[Any], steps: list[int], rows: list[int]) -> Any:
    """The log probabilities of two prompts, each prefilled in `steps`, by vLLM's own method on a model of one matrix.

    Notes in `rows` for how many tokens the whole vocabulary was computed at a time.
    """
    matrix = torch.randn(HIDDEN, VOCABULARY, generator=torch.Generator().manual_seed(1))
    hidden = torch.randn(2, sum(steps), HIDDEN, generator=torch.Generator().manual_seed(2))

    def compute_logits(states: torch.Tensor) -> torch.Tensor:
        rows.append(len(states))
        return states @ matrix

    made = object.__new__(kind)
    made.device, made._sync_device = torch.device("cpu"), lambda: None
    made.model, made.sampler = SimpleNamespace(compute_logits=compute_logits), Sampler()
    made.model_config = SimpleNamespace(logprobs_mode="raw_logprobs")
    made.num_prompt_logprobs = {"a": 3, "b": 3}
    made.input_batch = SimpleNamespace(req_id_to_index={"a": 0, "b": 1})
    prompt = [number % VOCABULARY for number in range(sum(steps))]
    made.requests = {
        name: SimpleNamespace(prompt_token_ids=prompt, num_computed_tokens=0, in_progress_prompt_logprobs_cpu=None)
        for name in ("a", "b")
    }
    found: dict[str, Any] = {}
    for step in steps:
        computed = made.requests["a"].num_computed_tokens
        made.query_start_loc = SimpleNamespace(np=np.array([0, step]))
        states = torch.cat(list(hidden[:, computed : computed + step]))
        found |= made._get_prompt_logprobs_dict(states, {"a": step, "b": step})
        for request in made.requests.values():
            assert request.num_computed_tokens == computed, "the runner itself counts on"
            request.num_computed_tokens += step
    assert not made.num_prompt_logprobs
    return [torch.cat([*map(torch.Tensor.double, (each[0], each[1], each[2][:, None]))], 1) for each in found.values()]


@pytest.mark.parametrize("steps", [[1], [2], [64], [65], [129], [200], [64, 64], [100, 1], [130, 64, 3]], ids=str)
def test_a_prompts_log_probabilities_are_computed_for_a_few_tokens_at_a_time(steps: list[int]) -> None:
    ours: list[int] = []
    mine, theirs = scores(ModelRunner, steps, ours), scores(CPUModelRunner, steps, [])
    assert len(mine) == len(theirs) == 2
    assert all(torch.allclose(one, other) for one, other in zip(mine, theirs, strict=True))
    assert max(ours, default=0) <= ROWS_AT_ONCE
    assert sum(ours) == 2 * (sum(steps) - 1)


def test_vllm_makes_this_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[type[Any]] = []
    monkeypatch.setattr(cpu_worker, "CPUModelRunner", CPUModelRunner)
    monkeypatch.setattr(cpu_worker.CPUWorker, "init_device", lambda self: made.append(cpu_worker.CPUModelRunner))
    resolve_obj_by_qualname(CPU_WORKER).init_device(object.__new__(resolve_obj_by_qualname(CPU_WORKER)))
    assert made == [ModelRunner]
