"""Divide long work among turns of a worker's hub."""

from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator

import gevent
from gevent.event import Event

from schemas.replies.blocks import grouped

SHORTEST = 1e-6
"""Seconds. Any time above 0 will do."""
MOST_BYTES = 256 * 1024
"""About as many bytes of a body are joined and written in one turn of the hub."""
LONGEST_PIECE = 4 * MOST_BYTES
"""A piece of a body that has more bytes, such as one long text, is cut."""

_paused: OrderedDict[Event, None] = OrderedDict()
"""One for each greenlet that has paused, in the order in which they go on."""
_resuming: gevent.Greenlet | None = None
"""The greenlet that resumes them."""


def let_others_run(*, in_line: bool = True) -> None:
    """Pause the greenlet until the hub has looked at all sockets once more.

    `gevent.sleep(0)` is not enough: the hub resumes a greenlet up to fifty times before it looks. Of the greenlets that
    have paused `in_line`, one goes on in each turn of the hub: all together would make the turn long again. The one
    that receives for all requests does not stand in line.
    """
    global _resuming
    if not in_line:
        gevent.sleep(SHORTEST)
        return
    resumed = Event()
    _paused[resumed] = None
    if _resuming is None or _resuming.dead:
        _resuming = gevent.spawn(_resume)
    try:
        resumed.wait()
    finally:
        _paused.pop(resumed, None)  # the greenlet may have been killed: its turn is the next one's


def _resume() -> None:
    while _paused:
        gevent.sleep(SHORTEST)
        if _paused:
            _paused.popitem(last=False)[0].set()


def in_turns(pieces: list[bytes], change: Callable[[bytes], bytes] = bytes) -> Iterator[bytes]:
    """Yield `pieces` joined or cut to about `MOST_BYTES` each, every one in a turn of the hub of its own.

    `change` is called with what is joined, before it is cut.
    """
    parts = (part for group in grouped(pieces, MOST_BYTES) for part in _cut(change(group)))
    for number, part in enumerate(parts):
        if number:
            let_others_run()
        yield part


def _cut(piece: bytes) -> Iterable[bytes]:
    if len(piece) <= LONGEST_PIECE:
        return (piece,)
    return (piece[start : start + MOST_BYTES] for start in range(0, len(piece), MOST_BYTES))
