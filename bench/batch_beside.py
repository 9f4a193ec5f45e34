"""Measure what a batch costs those who wait: the TTFT of streams beside a batch with lines to spare, and without one.

One Hearth on the simulated GPU answers the same streams by turns with and without the batch, in one run. The batch is
there before the first stream begins, and has lines left when the last has ended.
"""

import argparse
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx

from bench import contenders
from bench.beds import bed
from bench.client import Client
from bench.contenders import Server
from bench.loads import Load
from bench.measure import latencies
from bench.results import RESULTS as DIRECTORY
from bench.stack import until
from bench.step_time import DEFAULT_STEP
from bench.stopping import end_on_term

RESULTS = DIRECTORY / "batch_beside.json"
FIGURES = ("ttft_p50", "ttft_p99", "itl_p50", "itl_p99")
TARGET = 1.3
"""Of TTFT: the most that a batch may cost those who wait."""
SETTLE_SECONDS = 30.0
"""How long a batch may take to begin, or to end once it is cancelled."""


class Batch:
    """A batch of chat completions that is answered while streams are measured."""

    def __init__(self, server: Server, lines: int, max_tokens: int) -> None:
        self._client = httpx.Client(base_url=server.url, timeout=60)
        file = {"file": ("lines.jsonl", b"".join(_line(number, max_tokens) for number in range(lines)))}
        uploaded = self._client.post("/v1/files", data={"purpose": "batch"}, files=file).raise_for_status().json()
        body = {"input_file_id": uploaded["id"], "endpoint": "/v1/chat/completions", "completion_window": "24h"}
        self._path = f"/v1/batches/{self._client.post('/v1/batches', json=body).raise_for_status().json()['id']}"
        until(lambda: self.answered() > 0, SETTLE_SECONDS, "the batch has begun")

    def answered(self) -> int:
        """Return how many lines have been answered. Raises `AssertionError` if none is left."""
        found = self._client.get(self._path).raise_for_status().json()
        assert found["status"] in ("validating", "in_progress"), f"the batch is {found['status']}: it needs more lines"
        count: int = found["request_counts"]["completed"]
        return count

    def end(self) -> None:
        """Cancel what is left."""
        self._client.post(f"{self._path}/cancel").raise_for_status()
        cancelled = lambda: self._client.get(self._path).json()["status"] == "cancelled"  # noqa: E731
        until(cancelled, SETTLE_SECONDS, "the batch is cancelled")
        self._client.close()


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.batch_beside", description=__doc__)
    parser.add_argument("--lines", type=int, default=500, help="lines of the batch, 500 unless told")
    parser.add_argument("--connections", type=int, default=8, help="streams at a time, 8 unless told")
    parser.add_argument("--requests", type=int, default=240, help="streams of each turn, 240 unless told")
    parser.add_argument("--rounds", type=int, default=5, help="turns of each side, 5 unless told")
    parser.add_argument("--step", default=DEFAULT_STEP, help="the time of a simulated step (bench/simulated_gpu.py)")
    args = parser.parse_args()
    end_on_term()
    with (
        tempfile.TemporaryDirectory(prefix="beside-") as directory,
        contenders.hearth(Path(directory), bed("gpu", args.step)) as server,
    ):
        report(measure(server, args), args)
    return 0


def measure(server: Server, args: argparse.Namespace) -> dict[str, list[dict[str, float]]]:
    """Return the figures of each turn, in milliseconds, by side."""
    load = Load("beside", args.connections, args.requests, max_tokens=64, tools=("client",))
    opening = contenders.events_before_text(server, load)
    Client(server.port, load, opening=opening).run()  # a warm-up
    sides: dict[str, list[dict[str, float]]] = {"without": [], "with": []}
    for number in range(args.rounds):
        for side in ("without", "with") if number % 2 == 0 else ("with", "without"):
            batch = Batch(server, args.lines, 128) if side == "with" else None
            before, began = batch.answered() if batch else 0, time.perf_counter()
            timings = Client(server.port, load, opening=opening).run()
            assert timings.complete == load.requests, dict(timings.failures)
            figures = latencies(timings)
            if batch:
                figures["lines_per_s"] = (batch.answered() - before) / (time.perf_counter() - began)
                batch.end()
            sides[side].append(figures)
    return sides


def report(sides: dict[str, list[dict[str, float]]], args: argparse.Namespace) -> None:
    """Print the results, and write them as JSON."""
    medians = {side: {name: _median(turns, name) for name in FIGURES} for side, turns in sides.items()}
    turns = list(zip(sides["with"], sides["without"], strict=True))
    ratios = {name: round(statistics.median(a[name] / b[name] for a, b in turns), 3) for name in FIGURES}
    rows = [f"{'':10}" + "".join(f"{name:>10}" for name in FIGURES)]
    rows += [f"{side:10}" + "".join(f"{found[name]:10.1f}" for name in FIGURES) for side, found in medians.items()]
    rows.append(f"{'ratio':10}" + "".join(f"{ratios[name]:10.2f}" for name in FIGURES))
    lines_per_s = round(_median(sides["with"], "lines_per_s"), 2)
    rows.append(f"milliseconds; target of TTFT: at most {TARGET}. {lines_per_s} lines of the batch a second meanwhile")
    sys.stdout.write("\n".join(rows) + "\n")
    result: dict[str, Any] = {
        "what": f"{args.connections} streams beside a batch of {args.lines} lines; medians of {args.rounds} turns",
        "machine": {"cores": os.cpu_count(), "load": os.getloadavg()[0]},
        "medians": medians,
        "ratio": ratios,
        "lines_per_s": lines_per_s,
        "turns": sides,
    }
    RESULTS.parent.mkdir(exist_ok=True)
    RESULTS.write_text(json.dumps(result, indent=2) + "\n")


def _median(turns: list[dict[str, float]], name: str) -> float:
    return statistics.median(turn[name] for turn in turns)


def _line(number: int, max_tokens: int) -> bytes:
    messages = [{"role": "user", "content": f"Line {number}: tell me about the weather."}]
    body = {"messages": messages, "max_tokens": max_tokens, "ignore_eos": True}
    line = {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}
    return json.dumps(line).encode() + b"\n"


if __name__ == "__main__":
    sys.exit(main())
