"""How many requests begin in one turn of a worker's hub."""

import time
from collections import Counter
from collections.abc import Callable

import gevent
from gevent import get_hub

from webapp.server.gate import Gate

COUNT, MOST = 43, 8
LONG = 0.011
"""Seconds of CPU of a request that fills a turn."""


def begun_by_turn(work: Callable[[], None] = lambda: None, killed: int | None = None) -> list[tuple[int, int]]:
    """Let `COUNT` requests come at once, each of which does `work`. Return their numbers and turns, as they began."""
    gate, turn = Gate(), 0
    begun: list[tuple[int, int]] = []

    def count() -> None:
        nonlocal turn
        turn += 1

    def begin(number: int) -> None:
        gate.wait()
        begun.append((number, turn))
        work()

    watcher = get_hub().loop.prepare()
    watcher.start(count)
    try:
        greenlets = [gevent.spawn(begin, number) for number in range(COUNT)]
        if killed is not None:
            gevent.sleep(0)  # all have begun, or stand in line
            greenlets[killed].kill(block=False)
        gevent.joinall(greenlets, timeout=10, raise_error=True)
    finally:
        watcher.stop()
    return begun


def test_few_begin_in_a_turn_in_the_order_in_which_they_came() -> None:
    begun = begun_by_turn()
    assert [number for number, _ in begun] == list(range(COUNT))
    assert max(Counter(when for _, when in begun).values()) == MOST


def test_fewer_begin_in_a_turn_where_each_takes_long() -> None:
    def compute() -> None:
        until = time.thread_time() + LONG
        while time.thread_time() < until:
            pass

    begun = begun_by_turn(compute)
    assert [number for number, _ in begun] == list(range(COUNT))
    assert max(Counter(when for _, when in begun).values()) == 1


def test_one_that_ends_while_it_waits_keeps_back_no_other() -> None:
    begun = begun_by_turn(killed=MOST)  # the first that stands in line
    assert [number for number, _ in begun] == [number for number in range(COUNT) if number != MOST]
