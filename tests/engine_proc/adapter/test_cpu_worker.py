"""vLLM's model runner for CPUs: whose generator is used while a prompt is prefilled in parts."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from vllm.utils.import_utils import resolve_obj_by_qualname
from vllm.v1.worker import cpu_worker
from vllm.v1.worker.cpu_model_runner import CPUModelRunner
from vllm.v1.worker.gpu_model_runner import GPUModelRunner

from engine_proc.adapter.loading.cpu_worker import ModelRunner
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


def test_vllm_makes_this_runner(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[type[Any]] = []
    monkeypatch.setattr(cpu_worker, "CPUModelRunner", CPUModelRunner)
    monkeypatch.setattr(cpu_worker.CPUWorker, "init_device", lambda self: made.append(cpu_worker.CPUModelRunner))
    resolve_obj_by_qualname(CPU_WORKER).init_device(object.__new__(resolve_obj_by_qualname(CPU_WORKER)))
    assert made == [ModelRunner]
