"""How far a load has come."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from engine_proc.serving import load_clock as loading
from engine_proc.serving.load_clock import DEFAULT_SECONDS, LoadClock
from schemas.wire import Load


class Time:
    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    monkeypatch.setattr(loading, "time", SimpleNamespace(monotonic=time.monotonic))
    return time


@pytest.fixture
def memory(tmp_path: Path) -> Path:
    return tmp_path / "load_seconds"


def test_progress_is_the_share_of_the_first_guess(time: Time, memory: Path) -> None:
    clock = LoadClock(memory)
    time.now += DEFAULT_SECONDS / 4
    assert clock.load() == Load(ready=False, stage="starting", progress=0.25)


def test_progress_is_the_share_of_the_last_load(time: Time, memory: Path) -> None:
    first = LoadClock(memory)
    time.now += 8
    assert first.finish() == 8
    second = LoadClock(memory)
    time.now += 2
    assert second.load().progress == 0.25


def test_a_load_that_takes_longer_is_almost_done_and_never_ready(time: Time, memory: Path) -> None:
    clock = LoadClock(memory)
    time.now += DEFAULT_SECONDS * 100
    assert not clock.load().ready
    assert clock.load().progress == 0.99


def test_stages_are_told_and_the_last_is_ready(time: Time, memory: Path) -> None:
    clock = LoadClock(memory)
    clock.stage("reading")
    assert clock.load().stage == "reading"
    clock.finish()
    assert clock.load() == Load(ready=True, stage="ready", progress=1.0)


@pytest.mark.parametrize("content", ["", "soon", "nan s"], ids=["empty", "a word", "not a number"])
def test_a_broken_memory_is_the_first_guess(time: Time, memory: Path, content: str) -> None:
    memory.write_text(content)
    clock = LoadClock(memory)
    time.now += DEFAULT_SECONDS / 2
    assert clock.load().progress == 0.5


def test_a_remembered_zero_does_not_divide(time: Time, memory: Path) -> None:
    memory.write_text("0.0")
    clock = LoadClock(memory)
    time.now += 0.5
    assert clock.load().progress == 0.5


def test_a_memory_that_cannot_be_written_does_not_end_the_load(time: Time, tmp_path: Path) -> None:
    clock = LoadClock(tmp_path / "no such directory" / "load_seconds")
    clock.finish()
    assert clock.load().ready


def test_a_stage_that_knows_its_share_is_no_part_of_the_estimate(time: Time, memory: Path) -> None:
    clock = LoadClock(memory)
    time.now += 2
    clock.stage("downloading", 0.0)
    time.now += 500
    assert clock.load() == Load(ready=False, stage="downloading", progress=0.0)
    clock.stage("downloading", 0.7)
    time.now += 500
    assert clock.load().progress == 0.7
    clock.stage("loading")
    time.now += 1
    assert clock.load().progress == 0.1
    assert clock.finish() == 3
