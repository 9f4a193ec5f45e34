"""The results of a run, with the machine they were measured on."""

import json
import os
import platform
import subprocess
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psutil

from bench.rust_binary import vllm_release
from bench.samples import Sample, Samples
from bench.targets import Checks
from schemas.shared.endpoint import PROJECT_ROOT

RESULTS = PROJECT_ROOT / "bench" / "results"
FILE = "bench.json"


@dataclass(slots=True)
class Results:
    """All results of `make bench`. Parts that were left out are empty."""

    machine: dict[str, Any] = field(default_factory=dict)
    gpu: Samples = field(default_factory=Samples)
    """Samples on the simulated GPU."""
    samples: Samples = field(default_factory=Samples)
    """Samples on the CPU."""
    checks: Checks = field(default_factory=Checks)
    absent: dict[str, str] = field(default_factory=dict)
    """Contenders that are not available, with the reason."""
    web_tier: list[dict[str, Any]] = field(default_factory=list)
    offline: dict[str, Any] = field(default_factory=dict)

    def of(self, bed: str) -> Samples:
        """Return the samples of a bed: `gpu` or `cpu`."""
        return self.gpu if bed == "gpu" else self.samples

    def save(self, path: Path) -> None:
        body = {
            "machine": self.machine,
            "absent": self.absent,
            "checks": asdict(self.checks),
            "web_tier": self.web_tier,
            "offline": self.offline,
            "gpu": [sample.as_json() for sample in self.gpu.all],
            "samples": [sample.as_json() for sample in self.samples.all],
        }
        path.write_text(json.dumps(body, indent=1) + "\n")


def load(path: Path) -> Results:
    body = json.loads(path.read_text())
    return Results(
        machine=body["machine"],
        gpu=Samples(Sample(**sample) for sample in body["gpu"]),
        samples=Samples(Sample(**sample) for sample in body["samples"]),
        checks=Checks(**body["checks"]),
        absent=body["absent"],
        web_tier=body["web_tier"],
        offline=body["offline"],
    )


def machine(*, rounds: int, quick: bool) -> dict[str, Any]:
    """Describe the run and the machine. The load average shows whether other programs were running."""
    return {
        "rounds": rounds,
        "quick": quick,
        "when": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _git("rev-parse", "--short", "HEAD") + ("+" if _git("status", "--porcelain", "-uno") else ""),
        "cores": os.cpu_count(),
        "processor": _processor(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "load_before": round(os.getloadavg()[0], 2),
        "python": platform.python_version(),
        "vllm": vllm_release(),
    }


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return done.stdout.strip()


def _processor() -> str:
    names = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    return names[0].partition(": ")[2] if names else platform.machine()
