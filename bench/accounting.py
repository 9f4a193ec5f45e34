"""CPU seconds and memory of a server's processes, from the kernel's own accounts; vLLM's engine told from the rest."""

from dataclasses import dataclass
from pathlib import Path

import psutil

ENGINE_TITLES = ("VLLM::EngineCore", "VLLM::Worker")
"""vLLM's processes that compute name themselves so. All others of a server are its front end."""


@dataclass(frozen=True, slots=True)
class CpuSeconds:
    """User and system time: of the front end, by its parts, and of the engine."""

    parts: dict[str, float]
    engine: float

    def __sub__(self, earlier: "CpuSeconds") -> "CpuSeconds":
        parts = {name: value - earlier.parts[name] for name, value in self.parts.items()}
        return CpuSeconds(parts, self.engine - earlier.engine)

    @property
    def front(self) -> float:
        return sum(self.parts.values())

    @property
    def total(self) -> float:
        return self.front + self.engine


def family(root: int) -> list[psutil.Process]:
    """A process and all that it has started."""
    process = psutil.Process(root)
    return [process, *process.children(recursive=True)]


def is_engine(process: psutil.Process) -> bool:
    command = process.cmdline()
    return bool(command) and command[0].startswith(ENGINE_TITLES)


def cpu_seconds(roots: dict[str, int]) -> CpuSeconds:
    """What the families of `roots` have used so far, less those members that have ended and were not waited for."""
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
    """The most memory (RSS) that a process has ever had, in MB."""
    status = Path(f"/proc/{pid}/status").read_text()
    (kib,) = (line.split()[1] for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(kib) * 1024 / 1e6
