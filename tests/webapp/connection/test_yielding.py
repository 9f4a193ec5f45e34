"""A greenlet that works for long leaves each turn of the hub to the others too."""

import gevent
import pytest

from webapp.connection.line_ends import line_safe
from webapp.connection.yielding import LONGEST_PIECE, MOST_BYTES, in_turns, let_others_run

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


@pytest.mark.parametrize("size", [0, 1, MOST_BYTES, LONGEST_PIECE, LONGEST_PIECE + 1, 3 * LONGEST_PIECE])
def test_a_long_piece_is_written_in_parts(size: int) -> None:
    parts = list(in_turns([b"a" * size]))
    assert b"".join(parts) == b"a" * size
    assert len(parts) == (1 if size <= LONGEST_PIECE else -(-size // MOST_BYTES))


def test_a_character_that_ends_a_line_is_found_where_a_piece_is_cut_too() -> None:
    text = "\u2028".encode() * (LONGEST_PIECE // 3 + 1)
    assert b"".join(in_turns([text], line_safe)) == line_safe(text)
    assert text not in line_safe(text)
