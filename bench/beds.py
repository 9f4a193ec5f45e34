"""What all contenders serve: Llama 3 on a simulated GPU, and the demo model on the CPU."""

from dataclasses import dataclass, field
from pathlib import Path

from bench import llama3
from bench.loads import CPU_LOADS, GPU_LOADS, Load
from bench.step_time import DEFAULT_STEP, STEP_VARIABLE
from engine_proc.settings import DEMO_MODEL

CPU_FLAGS = ["--enforce-eager"]
TITLES = {"gpu": "the simulated GPU", "cpu": "the CPU"}


@dataclass(frozen=True, slots=True)
class Bed:
    """A model with engine flags, and the loads that it is measured with."""

    name: str
    model: Path
    flags: list[str]
    loads: list[Load]
    environment: dict[str, str] = field(default_factory=dict)


def bed(name: str, step: str = DEFAULT_STEP) -> Bed:
    """Return the bed `gpu` or `cpu`. `step` is the time of a simulated step, as bench/simulated_gpu.py describes it."""
    if name == "cpu":
        return Bed(name, Path(DEMO_MODEL), CPU_FLAGS, CPU_LOADS)
    flags = ["--distributed-executor-backend", "bench.simulated_gpu.SimulatedGpu"]
    flags += ["--max-num-seqs", "256", "--max-model-len", "8192"]
    return Bed(name, llama3.configuration_8b(), flags, GPU_LOADS, {STEP_VARIABLE: step})
