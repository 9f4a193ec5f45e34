"""The greenlets without which a worker serves nobody: when one of them fails, the worker ends and is replaced."""

import logging
import os
import signal
from collections.abc import Callable

import gevent

log = logging.getLogger("hearth.worker")


def spawn_vital(run: Callable[[], None], on_failure: Callable[[], None] = lambda: None) -> gevent.Greenlet:
    """Run `run` in a greenlet of its own. If it raises an exception, log it, call `on_failure` and end this worker."""

    def guarded() -> None:
        try:
            run()
        except Exception:
            log.critical("a greenlet that this worker needs has failed: the worker ends", exc_info=True)
            try:
                on_failure()
            finally:
                end_worker()

    return gevent.spawn(guarded)


def end_worker() -> None:
    """End this worker as its master does: it accepts no more connections, answers the requests it has, and exits.

    gunicorn's master then starts another.
    """
    os.kill(os.getpid(), signal.SIGTERM)
