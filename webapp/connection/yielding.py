"""Divide long work among turns of a worker's hub."""

import gevent

SHORTEST = 1e-6
"""Seconds. Any time above 0 will do."""


def let_others_run() -> None:
    """Pause the greenlet until the hub has looked at all sockets once more.

    `gevent.sleep(0)` is not enough: the hub resumes a greenlet up to fifty times before it looks.
    """
    gevent.sleep(SHORTEST)
