"""The engines that tests share, in what order the tests run, and what is said at the end of a run.

A load takes as long as hundreds of requests, so a test uses one of a few engines, and the tests of one engine run one
after the other. Tests that need no engine run first. `make test` runs two tests at a time (pytest-xdist): a group of
xdist's is an engine, so no engine is loaded twice, and no two tests use the same engine at the same time. Tests without
an engine are grouped by file.
"""

import gc
import itertools
import os
import time
from collections import Counter
from collections.abc import Iterator, Sequence

import psutil
import pytest
from _pytest.runner import runtestprotocol

from tests import turns
from tests.harness import SPAWNED, Hearth, begin_stock, renew, serving, until

ENGINE_OF_FIXTURE = {
    "running": "shared",
    "running_float32": "float32",
    "guarded": "guarded",
    "loaded": "adapter",
    "embedding": "embedding",
    "running_llama": "Llama 3's vocabulary",
}
ENGINES = ["", "shared", "float32", "spread", "Llama 3's vocabulary", "startup", "killers", "adapter", "simulated"]
"""The order in which their tests start: first those without an engine, then those that take longest, so that no lane
has minutes left when the other has ended. Engines that are not here are last."""
FLOAT32 = {
    "HEARTH_ENGINE_ARGS": "--dtype float32",
    "HEARTH_STALL_SECONDS": "12",
    "HEARTH_DRAIN_SECONDS": "1",
}
"""The two limits are short because tests wait for them."""
LIMIT_MINUTES = 15
DOUBTED = pytest.StashKey[list[turns.SlowTurn]]()
"""The turns for which a test is to be run again. A test that has been run again has no such entry."""
AGAIN = "run again"
"""The name under which reports tell why a test was run again."""


def idle_seconds() -> float:
    """Return how long this machine's CPUs have had nothing to do, all of them together."""
    times = psutil.cpu_times()
    return float(times.idle + times.iowait)


BEGAN, LOAD_BEFORE, IDLE_BEFORE = time.monotonic(), os.getloadavg()[0], idle_seconds()
gc.disable()  # until all tests are collected: what is imported for them, vLLM among it, stays


def pytest_itemcollected(item: pytest.Item) -> None:
    """Mark a test with its engine and its group, before pytest-xdist reads the groups and pytest the marks."""
    names = {name for mark in item.iter_markers("field") for name in mark.args}
    item.user_properties += [("field", name) for name in sorted(names)]
    engine = engine_of(item)
    if engine:
        item.add_marker(pytest.mark.engine(engine))
    item.add_marker(pytest.mark.xdist_group(engine or _group_without_engine(item)))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    places = {engine: place for place, engine in enumerate(ENGINES)}
    items.sort(key=lambda item: (places.get(engine_of(item), len(places)), "mortal" in fixtures_of(item)))


def pytest_collection_finish(session: pytest.Session) -> None:
    gc.enable()
    gc.freeze()
    if getattr(session.config.option, "loadgroup", False) and not all("@" in item.nodeid for item in session.items):
        raise pytest.UsageError("pytest-xdist has not grouped the tests: it may not know this pytest")
    if any(engine_of(item) for item in session.items) and not session.config.option.collectonly:
        begin_stock()


def _group_without_engine(item: pytest.Item) -> str:
    """Return a file's path, but one name for all tests that share vLLM's renderers: each takes seconds to make."""
    return "renderers" if "renderer" in fixtures_of(item) else item.nodeid.partition("::")[0]


def engine_of(item: pytest.Item) -> str:
    """Return the name of the engine that a test needs, from its mark or its fixtures. "": it needs none."""
    marked = [str(mark.args[0]) for mark in item.iter_markers("engine")]
    used = [engine for fixture, engine in ENGINE_OF_FIXTURE.items() if fixture in fixtures_of(item)]
    return next(iter(marked + used), "")


def fixtures_of(item: pytest.Item) -> Sequence[str]:
    """Return the names of the fixtures that a test uses, directly or through others."""
    return getattr(item, "fixturenames", ())


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_protocol(item: pytest.Item, nextitem: pytest.Item | None) -> bool:
    """Run a test again if nothing failed but that a turn of a loop took too long, which may be the host's doing.

    It is run against new processes, so that what a process does once shows itself again. Then a long turn fails it.
    """
    item.ihook.pytest_runtest_logstart(nodeid=item.nodeid, location=item.location)
    item.stash[DOUBTED] = []
    reports = runtestprotocol(item, log=False, nextitem=nextitem)
    doubted = item.stash[DOUBTED]
    del item.stash[DOUBTED]
    if doubted and not any(report.failed for report in reports):
        item.user_properties.append((AGAIN, "\n    ".join([item.nodeid, *map(str, doubted)])))
        renew(doubted)
        reports = runtestprotocol(item, log=False, nextitem=nextitem)
    for report in reports:
        item.ihook.pytest_runtest_logreport(report=report)
    item.ihook.pytest_runtest_logfinish(nodeid=item.nodeid, location=item.location)
    return True


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    _tell_fields(terminalreporter)
    _tell_repetitions(terminalreporter)
    minutes = (time.monotonic() - BEGAN) / 60
    terminalreporter.section("time")
    cpus = os.cpu_count() or 1
    idle = (idle_seconds() - IDLE_BEFORE) / (minutes * 60 * cpus)
    terminalreporter.write_line(f"{minutes:.1f} minutes on {cpus} CPUs, which had nothing to do for {idle:.0%} of them")
    terminalreporter.write_line(
        f"The load average was {LOAD_BEFORE:.1f} when the tests began, and {os.getloadavg()[0]:.1f} when they ended."
    )
    if minutes > LIMIT_MINUTES:
        terminalreporter.write_line(f"That is MORE THAN {LIMIT_MINUTES} MINUTES. Where nothing else ran, find out why.")


def _tell_fields(terminalreporter: pytest.TerminalReporter) -> None:
    """Write which request fields were shown to have their effect."""
    shown: Counter[object] = Counter()
    for report in terminalreporter.stats.get("passed", ()):
        shown.update(value for name, value in report.user_properties if name == "field")
    if shown:
        terminalreporter.section("fields whose effect was shown, and by how many tests")
        for name, tests in sorted(shown.items(), key=str):
            terminalreporter.write_line(f"{name:32}{tests:4}")


def _tell_repetitions(terminalreporter: pytest.TerminalReporter) -> None:
    """Write which tests were run again, and why."""
    reports = itertools.chain.from_iterable(terminalreporter.stats.values())
    properties = itertools.chain.from_iterable(getattr(report, "user_properties", ()) for report in reports)
    told = {str(value) for name, value in properties if name == AGAIN}
    if told:
        terminalreporter.section("run again against new processes, because a turn of a loop took long")
        for line in sorted(told):
            terminalreporter.write_line(line)


@pytest.fixture(autouse=True)
def no_loop_stands_still(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fail a test during which a turn of a web worker's or a model process's loop took too much CPU time.

    The mark `longest_turn` gives a test another limit, in milliseconds, and says why. Turns that the host may have made
    long are not judged at once: the test is run again (`pytest_runtest_protocol`).
    """
    yield
    mark = request.node.get_closest_marker("longest_turn")
    limit = float(mark.args[0]) if mark else turns.LIMIT_MS
    slow = [turn for turn in turns.records.take() if turn.ms > limit]
    if DOUBTED in request.node.stash and all(turn.may_be_the_hosts() for turn in slow):
        request.node.stash[DOUBTED] = slow
        return
    assert not slow, "\n".join(map(str, slow))


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """Yield the Hearth that most tests share. They use it through `hearth`, which checks how they leave it."""
    with serving(tmp_path_factory.mktemp("run"), ready=True, key="none", **SPAWNED) as stack:
        yield stack


@pytest.fixture
def hearth(running: Hearth) -> Iterator[Hearth]:
    """Yield the shared Hearth. After the test, the same engine must be running, without a live request."""
    identity = running.identity()
    yield running
    until(lambda: running.live() == 0, 20, "no request is live")
    assert running.identity() == identity, "the model was loaded again"


@pytest.fixture(scope="session")
def running_float32(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """Yield a Hearth whose engine computes in float32: a text is then the same whatever else is in the batch."""
    with serving(tmp_path_factory.mktemp("float32"), ready=False, **FLOAT32) as stack:
        yield stack


@pytest.fixture
def precise(running_float32: Hearth) -> Iterator[Hearth]:
    """Yield the float32 Hearth for tests that compare numbers. After the test it must have no live request."""
    running_float32.bring_up()
    yield running_float32
    until(lambda: running_float32.live() == 0, 20, "no request is live")


@pytest.fixture
def mortal(running_float32: Hearth) -> Hearth:
    """Return the float32 Hearth as the test before has left it, for tests that end its engine. They run last."""
    return running_float32
