"""The loads of `make bench`: in each round, each contender is started, measured with every load, and stopped."""

import contextlib
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path

from tqdm import tqdm

from bench import contenders, measure, restart, wrk
from bench.accounting import peak_mb
from bench.beds import TITLES, Bed
from bench.contenders import Server
from bench.loads import WARM_UP, Load
from bench.results import Results
from bench.samples import Sample
from bench.smg import smg
from bench.targets import Checks

ONCE = {"smg"}
"""Contenders that no target refers to: they are measured in the first round alone."""
START_SECONDS = 30
"""Expected time for a contender to start, for the progress bar."""


@dataclass(slots=True)
class Plan:
    """What to measure on one bed."""

    bed: Bed
    contenders: list[str]
    loads: list[Load]
    rounds: int
    found: dict[str, Path] = field(default_factory=dict)
    """Where contenders are that do not come with Hearth's own packages, by name."""

    def order(self, number: int) -> list[str]:
        """Return the contenders of round `number`: every second round is reversed, so that none is always last."""
        names = [name for name in self.contenders if number == 1 or name not in ONCE]
        return names if number % 2 else names[::-1]

    def seconds(self) -> float:
        """Return an estimate of the total time."""
        turns = [name for number in range(1, self.rounds + 1) for name in self.order(number)]
        loads = sum(len(_tools(name, load)) * load.expected_seconds for name in turns for load in self.loads)
        return loads + START_SECONDS * len(turns)


class Progress:
    """A progress bar that shows the current step and the remaining time."""

    def __init__(self, seconds: float) -> None:
        self._bar = tqdm(total=round(seconds), bar_format="{percentage:3.0f}% {elapsed}, {remaining} to go: {desc}")

    @contextlib.contextmanager
    def step(self, what: str, expected_seconds: float) -> Iterator[None]:
        """Show `what` during a `with` block, and then advance the bar."""
        self._bar.set_description_str(what)
        yield
        self._bar.update(expected_seconds)

    def close(self) -> None:
        self._bar.close()


def run(plan: Plan, run_dir: Path, results: Results) -> None:
    """Run the plan, and add the measurements to `results`. Every server is stopped, also after an error."""
    title = TITLES[plan.bed.name]
    progress = Progress(plan.seconds())
    try:
        for number in range(1, plan.rounds + 1):
            for name in plan.order(number):
                label = f"{title}, round {number} of {plan.rounds}, {name}"
                _turn(label, number, name, plan, run_dir, results, progress)
    finally:
        progress.close()


def _turn(label: str, number: int, name: str, plan: Plan, run_dir: Path, results: Results, progress: Progress) -> None:
    """Measure one contender in one round."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix=f"{name}-", dir=run_dir))
        with progress.step(f"{label}, starting", START_SECONDS):
            if name == "engine":
                alone = stack.enter_context(measure.engine_alone(plan.bed))
                alone.measure(number, WARM_UP)
            else:
                server = stack.enter_context(_server(name, plan, Path(directory)))
                opening = contenders.events_before_text(server, WARM_UP)
                wrk.run(server.port, WARM_UP)
        for load in plan.loads:
            for tool in _tools(name, load):
                with progress.step(f"{label}, {load.name}", load.expected_seconds):
                    if name == "engine":
                        sample = alone.measure(number, load)
                    elif tool == "wrk":
                        sample = measure.with_wrk(number, server, load)
                    else:
                        sample = measure.with_client(number, server, load, opening)
                results.of(plan.bed.name).all.append(sample)
                if name == "hearth" and load.name == "stream-1000":
                    _check_thousand(server, sample, results.checks)
        if name == "hearth" and plan.bed.name == "cpu":
            with progress.step(f"{label}, restart", 0):
                restarted = restart.measure(server, opening)
            results.checks.restart_seconds.append(restarted.seconds)
            results.checks.restart_lost.append(restarted.lost)
            results.checks.restart_failures += restarted.failures


def _check_thousand(server: Server, sample: Sample, checks: Checks) -> None:
    """Record the failures and the memory of a web worker after 1,000 streams."""
    assert server.hearth is not None
    checks.thousand_bad.append(sample.bad)
    checks.thousand_mb.append(max(peak_mb(worker.pid) for worker in server.hearth.workers()))


def _server(name: str, plan: Plan, directory: Path) -> AbstractContextManager[Server]:
    match name:
        case "hearth":
            return contenders.hearth(directory, plan.bed)
        case "before":
            return contenders.hearth(directory, plan.bed, plan.found[name], name)
        case "rust":
            return contenders.rust(directory, plan.bed, plan.found[name])
        case "smg":
            return smg(directory, plan.bed, plan.found[name])
    return contenders.vllm(directory, plan.bed)


def _tools(name: str, load: Load) -> tuple[str, ...]:
    """Return the tools for a load. The engine alone has no HTTP API: it runs a load once, for comparison with wrk."""
    if name == "engine" and load.seed:
        return ()  # its fields are a server's to read
    return load.tools[:1] if name == "engine" else load.tools
