"""One live request in a web worker: what the engine has sent of it, until its own greenlet takes it."""

from collections.abc import Callable

from gevent.event import Event

from schemas import wire
from schemas.errors import ApiError

MAX_WAITING = 8192
"""Items that may wait for one slow client; past that the request ends, so that memory has a bound."""

Item = wire.Accepted | wire.Delta | ApiError


class HungUp(Exception):
    """The HTTP client has gone; nobody waits for the answer."""


class Reply:
    """One live request: a bounded queue that the receiving greenlet fills and the request's own greenlet empties."""

    def __init__(self, generate: wire.Generate, release: Callable[["Reply"], None]) -> None:
        """`release` is called when nothing more is wanted, perhaps more than once."""
        self.generate = generate
        self._release = release
        self._waiting: list[Item] = []
        self._event = Event()
        self._open_choices = generate.choices
        self._hung_up = False

    @property
    def finished(self) -> bool:
        """All choices have ended."""
        return self._open_choices == 0

    def accepted(self) -> wire.Accepted:
        """Wait until the engine has taken the request. Raises `ApiError` where it refuses, and `HungUp`."""
        while not self._waiting:
            self._sleep(None)
        first = self._waiting.pop(0)
        if isinstance(first, ApiError):
            raise first
        assert isinstance(first, wire.Accepted)
        return first

    def deltas(self, timeout: float | None = None) -> list[wire.Delta]:
        """All deltas that are waiting; waits for the first, at most `timeout` seconds, and then returns none.

        Raises `ApiError` where the request has failed, after the deltas before that, and `HungUp`.
        """
        if not self._waiting:
            self._sleep(timeout)
        items, self._waiting = self._waiting, []
        if items and isinstance(items[-1], ApiError):
            error = items.pop()
            if not items:
                raise error  # type: ignore[misc]
            self._waiting = [error]
        for delta in items:
            if delta.finish_reason is not None:  # type: ignore[union-attr]
                self._open_choices -= 1
        return items  # type: ignore[return-value]

    def hang_up(self) -> None:
        """The HTTP client has gone: abort, and wake whoever waits."""
        self._hung_up = True
        self.close()
        self._event.set()

    def close(self) -> None:
        """No more is wanted; what is still being generated is aborted. May be called twice."""
        self._release(self)

    def put(self, item: Item) -> None:
        """From the receiving greenlet."""
        if len(self._waiting) >= MAX_WAITING and not isinstance(item, ApiError):
            self.close()
            item = ApiError(503, "The client reads too slowly.", type="server_error", code="slow_reader")
        self._waiting.append(item)
        self._event.set()

    def _sleep(self, timeout: float | None) -> None:
        if not self._hung_up:
            self._event.clear()  # set by what has been taken since without waiting
            self._event.wait(timeout)
        if self._hung_up:
            raise HungUp
