"""A greenlet that works for long leaves each turn of the hub to the others too."""

import gevent

from webapp.connection.yielding import let_others_run

PIECES = 200


def test_each_piece_of_work_has_a_turn_of_the_hub() -> None:
    turns: list[None] = []

    def work() -> None:
        for _ in range(PIECES):
            let_others_run()

    watcher = gevent.get_hub().loop.prepare(ref=False)
    watcher.start(turns.append, None)
    gevent.spawn(work).join()
    watcher.stop()
    assert len(turns) >= PIECES
