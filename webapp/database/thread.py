"""A thread that calls the database, so that a slow one does not block the worker's other requests."""

from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.threadpool import ThreadPool

from schemas.errors import ApiError

WAIT_SECONDS = 12.0
"""Seconds that a greenlet waits for the thread and its work; a little more than the database's own timeouts."""

Result = TypeVar("Result")


class DatabaseThread:
    """One thread, which is started at the first call. The database's calls have timeouts of their own; `WAIT_SECONDS`
    limits the whole wait, whatever the database does.
    """

    def __init__(self) -> None:
        self._thread: ThreadPool | None = None

    def call(self, work: Callable[..., Result], *arguments: Any) -> Result:
        """Return what `work` returns in the thread. Raises what it raises, and `TimeoutError`."""
        if self._thread is None:
            self._thread = ThreadPool(1)
        with gevent.Timeout(WAIT_SECONDS, TimeoutError(f"the database took more than {WAIT_SECONDS:g} s")):
            result: Result | Exception = self._thread.spawn(_attempt, work, *arguments).get()
        if isinstance(result, Exception):
            try:
                raise result
            finally:
                del result, work, arguments  # the error's traceback refers to this frame
        return result

    def end(self) -> None:
        """End the thread."""
        if self._thread is not None:
            self._thread.kill()


def _attempt(work: Callable[..., Result], *arguments: Any) -> Result | Exception:
    """Return the result, or the exception: gevent would print a traceback for each exception that leaves its thread."""
    try:
        return work(*arguments)
    except ApiError as error:
        return error.with_traceback(None)  # its frames hold a whole conversation
    except Exception as error:
        return error


def is_of_database(error: Exception) -> bool:
    """Return whether the database has failed, or is too slow. False: the error is a refusal, or a defect of Hearth."""
    if isinstance(error, ApiError):
        return False
    from sqlalchemy.exc import SQLAlchemyError

    return isinstance(error, SQLAlchemyError | OSError)


def in_one_line(error: Exception) -> str:
    """Return the error in one line: while a database is unreachable every request fails, too often for tracebacks."""
    return f"{type(error).__name__}: {str(error).partition(chr(10))[0]}"
