"""What a beam search costs here and in `vllm serve`: the same model, flags and prompts, side by side in one run.

Both servers are up all the while and take turns. Wall time is the client's; CPU seconds are those of all processes of
the server that answers. End tokens are ignored, so that both search to the last step.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import psutil
import vllm

from engine_proc.settings import DEMO_MODEL
from schemas.endpoint import PROJECT_ROOT
from tests.harness import LOAD_SECONDS, Hearth, free_port, until

RESULTS = PROJECT_ROOT / "bench" / "results" / "beam.json"
SUBJECTS = ["the weather", "a bird", "the old bridge", "Hearth", "a sorted list", "the king", "a river", "seven days"]


@dataclass
class Side:
    """One of the two servers."""

    url: str
    roots: list[int]
    """Processes that have started all others of the server."""
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def search(self, body: dict[str, Any]) -> None:
        """One beam search, measured."""
        processes = [process for root in self.roots for process in family(root)]
        before, begun = cpu_seconds(processes), time.perf_counter()
        response = httpx.post(f"{self.url}/v1/completions", json=body, timeout=600)
        self.wall.append(time.perf_counter() - begun)
        response.raise_for_status()
        assert len(response.json()["choices"]) == body["n"], "not as many beams as were asked for"
        time.sleep(0.2)  # what the reply leaves to be done is part of the cost
        self.cpu.append(cpu_seconds(processes) - before)

    def forget(self) -> None:
        """What was measured so far was a warm-up."""
        self.wall, self.cpu = [], []

    def summary(self) -> dict[str, Any]:
        return {
            "wall_seconds": round(statistics.median(self.wall), 4),
            "cpu_seconds": round(statistics.median(self.cpu), 4),
            "each": [[round(wall, 4), round(cpu, 4)] for wall, cpu in zip(self.wall, self.cpu, strict=True)],
        }


def family(root: int) -> list[psutil.Process]:
    process = psutil.Process(root)
    return [process, *process.children(recursive=True)]


def cpu_seconds(processes: list[psutil.Process]) -> float:
    times = [process.cpu_times() for process in processes]
    return float(sum(time.user + time.system for time in times))


def start_vllm(run_dir: Path, flags: list[str]) -> tuple[Side, Callable[[], None]]:
    """`vllm serve` of the demo model, and what ends it."""
    port = free_port()
    environment = {
        **os.environ,
        "VLLM_NO_USAGE_STATS": "1",
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
        "TORCHDYNAMO_DISABLE": "1",  # as Hearth sets it beside --enforce-eager
    }
    command = [sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(DEMO_MODEL)]
    command += ["--served-model-name", "hearth-demo", "--host", "127.0.0.1", "--port", str(port), *flags]
    log = (run_dir / "vllm.log").open("wb")
    server = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"

    def answers() -> bool:
        assert server.poll() is None, (run_dir / "vllm.log").read_text()[-4000:]
        try:
            return httpx.get(f"{url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    def end() -> None:
        server.terminate()
        server.wait(60)

    until(answers, LOAD_SECONDS, "vllm serve answers")
    return Side(url, [server.pid]), end


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=8)
    args = parser.parse_args()
    flags = ["--enforce-eager"]
    with tempfile.TemporaryDirectory(prefix="beam-") as directory:
        ours, theirs = Path(directory, "hearth"), Path(directory, "vllm")
        theirs.mkdir()
        hearth = Hearth(ours, HEARTH_ENGINE_ARGS=" ".join(flags))
        endings: list[Callable[[], None]] = [hearth.shut_down]
        try:
            hearth.start_web()
            hearth.wait_ready()
            other, end = start_vllm(theirs, flags)
            endings.append(end)
            assert hearth.web is not None
            sides = {"hearth": Side(hearth.url, [hearth.web.pid, hearth.welcome().pid]), "vllm": other}
            measure(sides, args)
        finally:
            for ending in endings:
                ending()
    report(sides, args)
    return 0


def measure(sides: dict[str, Side], args: argparse.Namespace) -> None:
    body = {"model": "hearth-demo", "n": args.width, "max_tokens": args.tokens}
    body |= {"use_beam_search": True, "ignore_eos": True, "temperature": 0}
    for side in sides.values():
        side.search({**body, "prompt": "Once upon a time"})
        side.forget()
    order = list(sides.values())
    for repeat in range(args.repeats):
        prompt = f"Tell me about {SUBJECTS[repeat % len(SUBJECTS)]}, part {repeat}:"
        for side in order:
            side.search({**body, "prompt": prompt})
        order.reverse()  # neither is always the second


def report(sides: dict[str, Side], args: argparse.Namespace) -> None:
    summaries = {name: side.summary() for name, side in sides.items()}
    ours, theirs = sides["hearth"], sides["vllm"]
    ratios = {
        "wall": round(statistics.median(a / b for a, b in zip(ours.wall, theirs.wall, strict=True)), 3),
        "cpu": round(statistics.median(a / b for a, b in zip(ours.cpu, theirs.cpu, strict=True)), 3),
    }
    lines = [
        f"{name:8} {s['wall_seconds']:7.3f} s wall  {s['cpu_seconds']:7.3f} s CPU" for name, s in summaries.items()
    ]
    lines.append(
        f"ratio    {ratios['wall']:7.3f}         {ratios['cpu']:7.3f}        (hearth / vllm; at most 1 is the aim)"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    result = {
        "what": f"beam search, width {args.width}, {args.tokens} tokens, median of {args.repeats}",
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "vllm": vllm.__version__},
        **summaries,
        "ratio": ratios,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
