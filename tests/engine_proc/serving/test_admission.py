"""When those who are turned away may come again."""

from types import SimpleNamespace

import pytest

from engine_proc.serving import admission
from engine_proc.serving.admission import LONGEST_WAIT, RATE_WINDOW, Rate


class Clock:
    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 1000.0
        monkeypatch.setattr(admission, "time", SimpleNamespace(monotonic=lambda: self.now))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return Clock(monkeypatch)


def test_the_wait_is_computed_from_what_has_ended_of_late(clock: Clock) -> None:
    rate = Rate()
    for _ in range(10):
        rate.record(2)
        clock.now += 1
    assert rate.seconds_for(1) == 1
    assert rate.seconds_for(20) == 10
    assert rate.seconds_for(30) == 15


def test_no_wait_is_longer_than_the_longest(clock: Clock) -> None:
    rate = Rate()
    assert rate.seconds_for(1) == LONGEST_WAIT, "nothing has ended of late"
    rate.record(1)
    clock.now += 10
    assert rate.seconds_for(1000) == LONGEST_WAIT


def test_what_was_long_ago_does_not_count(clock: Clock) -> None:
    rate = Rate()
    rate.record(1000)
    clock.now += RATE_WINDOW
    rate.record(1)
    clock.now += 5
    assert rate.seconds_for(2) == 10
