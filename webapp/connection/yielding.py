"""Divide long work among turns of a worker's hub."""

from collections.abc import Iterator

import gevent

from schemas.replies.blocks import grouped

SHORTEST = 1e-6
"""Seconds. Any time above 0 will do."""
MOST_BYTES = 256 * 1024
"""About as many bytes of a body are joined and written in one turn of the hub."""


def let_others_run() -> None:
    """Pause the greenlet until the hub has looked at all sockets once more.

    `gevent.sleep(0)` is not enough: the hub resumes a greenlet up to fifty times before it looks.
    """
    gevent.sleep(SHORTEST)


def in_turns(pieces: list[bytes]) -> Iterator[bytes]:
    """Yield `pieces` joined to about `MOST_BYTES` each, every one in a turn of the hub of its own."""
    for number, group in enumerate(grouped(pieces, MOST_BYTES)):
        if number:
            let_others_run()
        yield group
