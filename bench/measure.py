"""Measure one load on one contender with one tool. The result is a `Sample`."""

import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass

from bench import wrk
from bench.accounting import cpu_seconds
from bench.beds import Bed
from bench.client import Client, Timings
from bench.contenders import STOP_SECONDS, VLLM_ENVIRONMENT, Server
from bench.loads import Load
from bench.samples import Sample, percentile
from schemas.shared.endpoint import PROJECT_ROOT


def with_wrk(round_number: int, server: Server, load: Load) -> Sample:
    before = cpu_seconds(server.roots)
    result = wrk.run(server.port, load)
    cpu = cpu_seconds(server.roots) - before
    return Sample(
        round_number,
        server.name,
        load.name,
        "wrk",
        result.seconds,
        load.requests,
        load.tokens,
        cpu.parts,
        cpu.engine,
        bad=result.bad,
    )


def with_client(round_number: int, server: Server, load: Load, opening: int) -> Sample:
    """`opening` is the number of events before the first text, from `contenders.events_before_text`."""
    before, own = cpu_seconds(server.roots), time.process_time()
    timings = Client(server.port, load, opening=opening).run()
    own = time.process_time() - own
    cpu = cpu_seconds(server.roots) - before
    return Sample(
        round_number,
        server.name,
        load.name,
        "client",
        timings.seconds,
        load.requests,
        load.tokens,
        cpu.parts,
        cpu.engine,
        client_cpu=own / timings.seconds,
        bad=load.requests - timings.complete,
        failures=dict(timings.failures),
        latency=latencies(timings),
    )


def latencies(timings: Timings) -> dict[str, float]:
    """Return percentiles of TTFT and ITL in milliseconds. Without data (no text, no second text) they are missing."""
    percentiles = {}
    for name, values in (("ttft", timings.ttft), ("itl", timings.gaps)):
        if values:
            percentiles[f"{name}_p50"] = 1000 * percentile(values, 0.50)
            percentiles[f"{name}_p99"] = 1000 * percentile(values, 0.99)
    return percentiles


@dataclass(slots=True)
class EngineAlone:
    """A process of `bench.engine_alone`."""

    process: "subprocess.Popen[str]"

    def measure(self, round_number: int, load: Load) -> Sample:
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(json.dumps(asdict(load)) + "\n")
        self.process.stdin.flush()
        limit = wrk.limit_seconds(load)
        if not select.select([self.process.stdout], [], [], limit)[0]:
            raise RuntimeError(f"bench.engine_alone has not ended {load.name} within {limit} s")
        answer = self.process.stdout.readline()
        if not answer:
            raise RuntimeError(f"bench.engine_alone exited with status {self.process.wait()}")
        return Sample(round_number, "engine", load.name, load.tools[0], float(answer), load.requests, load.tokens)


@contextlib.contextmanager
def engine_alone(bed: Bed) -> Iterator[EngineAlone]:
    process = subprocess.Popen(
        [sys.executable, "-m", "bench.engine_alone", "--model", str(bed.model), *bed.flags],
        cwd=PROJECT_ROOT,
        env={**os.environ, **VLLM_ENVIRONMENT, **bed.environment, "VLLM_LOGGING_LEVEL": "WARNING"},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None and process.stderr is not None
        if process.stdout.readline() != "ready\n":
            raise RuntimeError(f"bench.engine_alone could not load the model:\n{process.stderr.read()[-4000:]}")
        yield EngineAlone(process)
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired, ValueError):
            process.communicate(timeout=STOP_SECONDS)  # it exits at the end of its input
        process.kill()
        process.wait()
