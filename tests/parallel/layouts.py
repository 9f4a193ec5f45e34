"""How vLLM spreads one model over two processes of a CPU, and what names those processes have."""

import os
from dataclasses import dataclass, field

TWO_CPUS = sorted(os.sched_getaffinity(0))[:2]
CPUS = {"VLLM_CPU_OMP_THREADS_BIND": "|".join(str(cpu) for cpu in (TWO_CPUS * 2)[:2])}
"""One CPU for each worker. vLLM's own choice is a NUMA node for each, of which most machines have one."""
IN_FLOAT32 = "--dtype float32 --max-model-len 2048"
"""So that a text is the same whatever else is in the batch."""


@dataclass(frozen=True)
class Layout:
    flags: str
    processes: tuple[str, ...]
    """The titles of vLLM's processes, without the numbers that follow some of them."""
    victim: str
    """The title of the process that is killed."""
    environment: dict[str, str] = field(default_factory=dict)


LAYOUTS = {
    "tensor": Layout(
        "--tensor-parallel-size 2",
        ("VLLM::EngineCore", "VLLM::Worker_TP0", "VLLM::Worker_TP1"),
        "VLLM::Worker_TP1",
    ),
    # On a CPU, vLLM makes what its second stage needs while it compiles: with --enforce-eager, which the demo model
    # has, the first request fails. So it compiles here, by a compiler that leaves the model as it is.
    "pipeline": Layout(
        "--pipeline-parallel-size 2 --no-enforce-eager -cc.mode=2 -cc.backend=eager",
        ("VLLM::EngineCore", "VLLM::Worker_PP0", "VLLM::Worker_PP1"),
        "VLLM::Worker_PP1",
        {"TORCHDYNAMO_DISABLE": "1"},
    ),
    "data": Layout(
        "--data-parallel-size 2",
        ("VLLM::DPCoordinator", "VLLM::EngineCore_DP0", "VLLM::EngineCore_DP1", "VLLM::Worker", "VLLM::Worker"),
        "VLLM::EngineCore_DP1",
    ),
}
