"""Measure the cost of a beam search in Hearth and in `vllm serve`, with the same model, flags and prompts.

Both servers run all the time and answer alternately. Wall time is measured by the client; CPU seconds are those of all
processes of the answering server. End tokens are ignored, so that every search has the same number of steps.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx

from bench import contenders
from bench.accounting import cpu_seconds
from bench.beds import bed
from bench.contenders import Server
from bench.loads import SUBJECTS
from bench.results import RESULTS as DIRECTORY
from bench.rust_binary import vllm_release
from bench.stopping import end_on_term

RESULTS = DIRECTORY / "beam.json"


@dataclass
class Side:
    """One of the two servers."""

    server: Server
    wall: list[float] = field(default_factory=list)
    cpu: list[float] = field(default_factory=list)

    def search(self, body: dict[str, Any]) -> None:
        """Send one request with a beam search, and add its wall and CPU time."""
        before, began = cpu_seconds(self.server.roots), time.perf_counter()
        response = httpx.post(f"{self.server.url}/v1/completions", json=body, timeout=600)
        self.wall.append(time.perf_counter() - began)
        response.raise_for_status()
        assert len(response.json()["choices"]) == body["n"], "fewer beams than requested"
        time.sleep(0.2)  # work after the reply is part of the cost
        self.cpu.append((cpu_seconds(self.server.roots) - before).total)

    def reset(self) -> None:
        """Drop the measurements of the warm-up."""
        self.wall, self.cpu = [], []

    def summary(self) -> dict[str, Any]:
        """Return the medians, and each measurement."""
        return {
            "wall_seconds": round(statistics.median(self.wall), 4),
            "cpu_seconds": round(statistics.median(self.cpu), 4),
            "each": [[round(wall, 4), round(cpu, 4)] for wall, cpu in zip(self.wall, self.cpu, strict=True)],
        }


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--width", type=int, default=8)
    parser.add_argument("--tokens", type=int, default=64)
    parser.add_argument("--repeats", type=int, default=8)
    args = parser.parse_args()
    end_on_term()
    demo = bed("cpu")
    with tempfile.TemporaryDirectory(prefix="beam-") as directory, contextlib.ExitStack() as stack:
        ours = stack.enter_context(contenders.hearth(Path(directory, "hearth"), demo))
        theirs = stack.enter_context(contenders.vllm(Path(directory, "vllm"), demo))
        sides = {"hearth": Side(ours), "vllm": Side(theirs)}
        measure(sides, args)
    report(sides, args)
    return 0


def measure(sides: dict[str, Side], args: argparse.Namespace) -> None:
    """Warm up, then send each prompt to both servers."""
    body = {"model": "hearth-demo", "n": args.width, "max_tokens": args.tokens}
    body |= {"use_beam_search": True, "ignore_eos": True, "temperature": 0}
    for side in sides.values():
        side.search({**body, "prompt": "Once upon a time"})
        side.reset()
    order = list(sides.values())
    for repeat in range(args.repeats):
        prompt = f"Tell me about {SUBJECTS[repeat % len(SUBJECTS)]}, part {repeat}:"
        for side in order:
            side.search({**body, "prompt": prompt})
        order.reverse()  # neither is always second


def report(sides: dict[str, Side], args: argparse.Namespace) -> None:
    """Print the results, and write them as JSON."""
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
        f"ratio    {ratios['wall']:7.3f}         {ratios['cpu']:7.3f}        (hearth / vllm; target: at most 1)"
    )
    sys.stdout.write("\n".join(lines) + "\n")
    result = {
        "what": f"beam search, width {args.width}, {args.tokens} tokens, median of {args.repeats}",
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0], "vllm": vllm_release()},
        **summaries,
        "ratio": ratios,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


if __name__ == "__main__":
    sys.exit(main())
