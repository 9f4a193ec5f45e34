"""CPU seconds and memory of a server's processes, as the kernel counts them, with vLLM's engine kept apart."""

from dataclasses import dataclass
from pathlib import Path

import psutil

ENGINE_TITLES = ("VLLM::EngineCore", "VLLM::Worker")
"""Titles of vLLM's computing processes. All other processes of a server are its front end."""


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """User and system time of the front end, by its parts, and of the engine."""

    parts: dict[str, float]
    engine: float

    def __sub__(self, earlier: "CpuSeconds") -> "CpuSeconds":
        parts = {name: value - earlier.parts[name] for name, value in self.parts.items()}
        return CpuSeconds(parts, self.engine - earlier.engine)

    @property
    def front(self) -> float:
        """The whole front end."""
        return sum(self.parts.values())

    @property
    def total(self) -> float:
        return self.front + self.engine


def family(root: int) -> list[psutil.Process]:
    """Return a process and all its descendants."""
    process = psutil.Process(root)
    return [process, *process.children(recursive=True)]


def is_engine(process: psutil.Process) -> bool:
    """Return whether a process is one of vLLM's computing processes."""
    command = process.cmdline()
    return bool(command) and command[0].startswith(ENGINE_TITLES)


def cpu_seconds(roots: dict[str, int]) -> CpuSeconds:
    """Return the CPU time so far of the processes in `roots`, by name, and of their descendants.

    Descendants that have exited without being waited for are not counted.
    """
    parts, engine = dict.fromkeys(roots, 0.0), 0.0
    for name, root in roots.items():
        for process in family(root):
            times = process.cpu_times()
            if is_engine(process):
                engine += times.user + times.system
            else:
                parts[name] += times.user + times.system
    return CpuSeconds(parts, engine)


def peak_mb(pid: int) -> float:
    """Return the peak memory (RSS) of a process, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) * 1024 / 1e6
