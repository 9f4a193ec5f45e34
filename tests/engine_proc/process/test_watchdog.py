"""The heartbeat of a model process: when it counts as silent."""

import os
from collections.abc import Iterator

import pytest

from engine_proc.process import watchdog as module
from engine_proc.process.watchdog import HEARTBEAT_FD, Heartbeat, Watchdog
from tests.clock import Clock, set_clock


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch, module)


@pytest.fixture
def watchdog(clock: Clock) -> Iterator[Watchdog]:
    watchdog = Watchdog()
    yield watchdog
    watchdog.close_child_end()
    watchdog.close()


@pytest.fixture
def heartbeat(watchdog: Watchdog, monkeypatch: pytest.MonkeyPatch) -> Heartbeat:
    monkeypatch.setenv(HEARTBEAT_FD, str(watchdog.child_fd))
    return Heartbeat()


def test_silence_lasts_until_a_heartbeat(watchdog: Watchdog, heartbeat: Heartbeat, clock: Clock) -> None:
    for seconds in (2.0, 4.0, 6.0):
        clock.now += 2
        assert watchdog.silence() == seconds
    heartbeat.beat(loaded=False)
    clock.now += 1
    assert watchdog.silence() == 0
    clock.now += 3
    assert watchdog.silence() == 3


def test_a_host_that_was_suspended_is_no_silence(watchdog: Watchdog, clock: Clock) -> None:
    clock.now += 600
    assert watchdog.silence() == 0
    clock.now += 2
    assert watchdog.silence() == 2


def test_a_model_that_was_loaded_stays_so(watchdog: Watchdog, heartbeat: Heartbeat) -> None:
    told = []
    for loaded in (False, True, False):
        heartbeat.beat(loaded=loaded)
        watchdog.silence()
        told.append(watchdog.loaded)
    assert told == [False, True, True]


def test_a_full_pipe_holds_no_heartbeat_up(heartbeat: Heartbeat, watchdog: Watchdog) -> None:
    os.set_blocking(watchdog.child_fd, False)
    with pytest.raises(BlockingIOError):
        while True:
            os.write(watchdog.child_fd, b"." * 4096)
    heartbeat.beat(loaded=True)
