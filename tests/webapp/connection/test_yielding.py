"""A greenlet that works for long leaves each turn of the hub to the others too."""

import gevent
import pytest

from webapp.connection.yielding import let_others_run

PIECES = 200


@pytest.mark.parametrize("in_line", [True, False])
def test_each_piece_of_work_has_a_turn_of_the_hub(in_line: bool) -> None:
    turns: list[None] = []

    def work() -> None:
        for _ in range(PIECES):
            let_others_run(in_line=in_line)

    watcher = gevent.get_hub().loop.prepare(ref=False)
    watcher.start(turns.append, None)
    gevent.spawn(work).join()
    watcher.stop()
    assert len(turns) >= PIECES


def test_of_many_that_work_one_goes_on_in_a_turn() -> None:
    """But for the one that does not stand in line, which goes on in each."""
    pieces = [0]
    alone: list[int] = []

    def work() -> None:
        for _ in range(5):
            let_others_run()
            pieces[-1] += 1

    def receive() -> None:
        while not all(greenlet.dead for greenlet in working):
            let_others_run(in_line=False)
            alone.append(len(pieces))

    watcher = gevent.get_hub().loop.prepare(ref=False)
    watcher.start(pieces.append, 0)
    working = [gevent.spawn(work) for _ in range(20)]
    gevent.joinall([*working, gevent.spawn(receive)])
    watcher.stop()
    assert sum(pieces) == 100
    assert max(pieces) == 1
    assert len(alone) >= 90


def test_one_that_is_killed_while_it_waits_keeps_nobody() -> None:
    killed, other = gevent.spawn(let_others_run), gevent.spawn(let_others_run)
    gevent.sleep(0)
    killed.kill()
    other.join(5)
    assert other.successful()
