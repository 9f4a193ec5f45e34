"""Questions to the engine: how often it is asked."""

from collections.abc import Callable

import pytest

from schemas import wire
from tests.clock import Clock, set_clock
from webapp.engine import questions as module
from webapp.engine.questions import CACHE_SECONDS, Questions

METRICS = wire.Metrics(text="vllm:up 1\n")


class Engine:
    """Answers each question at once, and counts them."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], wire.Message] = lambda: METRICS
        self.questions = Questions(self.send)

    def send(self, payload: bytes) -> None:
        self.asked += 1
        self.questions.on_message(self.answer())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    return set_clock(monkeypatch, module)


def test_an_answer_serves_for_a_moment(clock: Clock) -> None:
    engine = Engine()
    asked = []
    for later in (0.0, 0.9 * CACHE_SECONDS, 0.2 * CACHE_SECONDS):
        clock.now += later
        assert engine.questions.ask(wire.AskMetrics(), wire.Metrics) == METRICS
        asked.append(engine.asked)
    assert asked == [1, 1, 2]


def test_an_order_is_given_each_time(clock: Clock) -> None:
    engine = Engine()
    engine.answer = lambda: wire.Ended(name="one", found=True)
    for _ in range(2):
        assert engine.questions.ask(wire.EndRequest(name="one"), wire.Ended, "one") is not None
    assert engine.asked == 2
