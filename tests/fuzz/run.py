"""Sends bad requests over several connections, and looks at what they have cost: no 5xx, no memory, no live request."""

import contextlib
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

import psutil
from tqdm import tqdm

from tests.fuzz.client import Client, Silent
from tests.fuzz.requests import make
from tests.harness import Hearth, until

CONNECTIONS = 8
WARM_UP = 2000
"""Requests before memory is measured: what a worker loads at its first use is no growth."""
MIB = 1024 * 1024
WORKER_GROWTH = 48 * MIB
"""Bytes that one web worker may grow by, however many requests it gets: three bodies of the largest size that one
request may have, which the allocator may keep."""
ENGINE_GROWTH = 64 * MIB
"""The same for the engine: all its processes but vLLM's workers."""
VLLM_GROWTH = 128 * MIB
"""The same for vLLM's workers: their KV cache was promised at the start and is touched prompt by prompt, and matrix
products are compiled for each length of a prompt until oneDNN's cache is full. Seen: 46 to 59 MiB."""


@dataclass(slots=True)
class Report:
    seed: int
    kinds: Counter[str] = field(default_factory=Counter)
    statuses: Counter[int | None] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)
    worker_growth: float = 0.0
    """MiB, of the web worker that grew most."""
    engine_growth: float = 0.0
    """MiB, over the processes of the engine, vLLM's workers left out."""
    vllm_growth: float = 0.0
    """MiB, over vLLM's workers."""

    def lines(self) -> list[str]:
        statuses = sorted(self.statuses.items(), key=lambda item: item[0] or 0)
        return [
            f"seed {self.seed}: {sum(self.kinds.values())} requests",
            "sent      " + ", ".join(f"{kind} {count}" for kind, count in self.kinds.most_common()),
            "answered  " + ", ".join(f"{status or 'closed'} {count}" for status, count in statuses),
            f"memory    +{self.worker_growth:.1f} MiB in a web worker (at most {WORKER_GROWTH / MIB:.0f}), "
            f"{self.engine_growth:+.1f} MiB in the engine (at most {ENGINE_GROWTH / MIB:.0f}), "
            f"{self.vllm_growth:+.1f} MiB in vLLM's workers (at most {VLLM_GROWTH / MIB:.0f})",
            f"failures  {len(self.failures)}",
            *self.failures[:20],
        ]


def fuzz(hearth: Hearth, seed: int, numbers: range) -> Report:
    """Send the requests `numbers` of `seed` to a running Hearth. What is wrong is in the report's `failures`."""
    report = Report(seed)
    identity = hearth.identity()
    warm_up = numbers[: min(WARM_UP, len(numbers) // 3)]
    _send_all(hearth, report, warm_up)
    workers, engine, vllm = _memory(hearth)
    _send_all(hearth, report, numbers[len(warm_up) :])
    until(lambda: hearth.live() == 0, 60, "no request is live")
    workers_after, engine_after, vllm_after = _memory(hearth)
    if set(workers_after) != set(workers):
        report.failures.append("a web worker has died")
    growth = max((workers_after[pid] - workers[pid] for pid in workers if pid in workers_after), default=0)
    report.worker_growth, report.engine_growth = growth / MIB, (engine_after - engine) / MIB
    report.vllm_growth = (vllm_after - vllm) / MIB
    if growth > WORKER_GROWTH or engine_after - engine > ENGINE_GROWTH or vllm_after - vllm > VLLM_GROWTH:
        report.failures.append("memory has grown")
    if hearth.identity() != identity:
        report.failures.append("the model was loaded again")
    if "Hearth" not in hearth.chat("Who are you?"):
        report.failures.append("the engine answers otherwise than before")
    return report


def _send_all(hearth: Hearth, report: Report, numbers: range) -> None:
    left = iter(numbers)
    lock = threading.Lock()
    with tqdm(total=len(numbers), unit="request", mininterval=1.0, desc=f"seed {report.seed}") as bar:

        def work() -> None:
            client = Client(hearth.port)
            while True:
                with lock:
                    number = next(left, None)
                if number is None:
                    client.close()
                    return
                attempt = make(report.seed, number)
                status: Any = "silence"
                with contextlib.suppress(Silent):
                    status = client.send(attempt)
                with lock:
                    report.kinds[attempt.kind] += 1
                    if status == "silence" or (status or 0) >= 500:
                        report.failures.append(f"{status} to {attempt.kind} {number}: {attempt.payload[:200]!r}")
                    else:
                        report.statuses[status] += 1
                    bar.update()

        with ThreadPoolExecutor(CONNECTIONS) as pool:
            for done in [pool.submit(work) for _ in range(CONNECTIONS)]:
                done.result()


def _memory(hearth: Hearth) -> tuple[dict[int, int], int, int]:
    """Resident bytes of each web worker, of the engine's other processes together, and of vLLM's workers together."""
    workers = {worker.pid: worker.memory_info().rss for worker in hearth.workers()}
    model = psutil.Process(hearth.welcome().pid)
    sums = {True: 0, False: 0}
    for process in [model, *model.children(recursive=True)]:
        sums["Worker" in process.name()] += process.memory_info().rss
    return workers, sums[False], sums[True]
