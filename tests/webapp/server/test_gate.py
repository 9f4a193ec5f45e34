"""How many requests begin in one turn of a worker's hub."""

from collections import Counter

import gevent
from gevent import get_hub

from webapp.server.gate import Gate

COUNT, MOST = 43, 8


def test_few_begin_in_a_turn_in_the_order_in_which_they_came() -> None:
    gate, turn = Gate(), 0
    begun: list[tuple[int, int]] = []

    def count() -> None:
        nonlocal turn
        turn += 1

    def begin(number: int) -> None:
        gate.wait()
        begun.append((number, turn))

    watcher = get_hub().loop.prepare()
    watcher.start(count)
    try:
        gevent.joinall([gevent.spawn(begin, number) for number in range(COUNT)], timeout=10, raise_error=True)
    finally:
        watcher.stop()
    assert [number for number, _ in begun] == list(range(COUNT))
    assert max(Counter(when for _, when in begun).values()) <= MOST
