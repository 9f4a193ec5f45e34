"""The web workers that the engine serves: what is sent to them, and which of them have fallen silent."""

import time
from collections.abc import Callable, Iterator

from schemas import wire
from schemas.errors import ApiError

Send = Callable[[bytes, bytes], None]

MOST_KNOWN = 1000
"""Web workers whose version of the wire is known: every reload brings new ones."""


class Clients:
    """The web workers, each an identity of the ROUTER."""

    def __init__(self) -> None:
        self.send: Send = lambda identity, payload: None
        """Sends a payload to an identity."""
        self._last_message_at: dict[bytes, float] = {}
        """By web worker, in `time.monotonic()` seconds."""
        self._minors: dict[bytes, int] = {}
        """By web worker, the MINOR version of its wire. Kept of workers that are forgotten: they send `Hello` once."""
        self._checked_at = time.monotonic()

    def __iter__(self) -> Iterator[bytes]:
        return iter(list(self._last_message_at))

    def record_message(self, client: bytes) -> None:
        """Record that `client` has sent a message now."""
        self._last_message_at[client] = time.monotonic()

    def record_hello(self, client: bytes, minor: int) -> None:
        """Record that `client` speaks this MINOR version of the wire."""
        self._minors.pop(client, None)
        if len(self._minors) >= MOST_KNOWN:
            del self._minors[next(iter(self._minors))]
        self._minors[client] = minor

    def joins_parts(self, client: bytes) -> bool:
        """Return whether `client` joins the parts of a delta that was divided for its length (`Delta.more`).

        False, too, where it has not said which wire it speaks: it then gets whole deltas.
        """
        return self._minors.get(client, 0) >= wire.PARTS_MINOR

    def forget(self, client: bytes) -> None:
        """Send `client` no announcement until it sends a message again."""
        self._last_message_at.pop(client, None)

    def silent(self) -> list[bytes]:
        """Return the web workers that have sent no message for `CLIENT_SILENCE_LIMIT` seconds.

        Must be called about every second. After a longer time between two calls it returns none.
        """
        now, checked_at = time.monotonic(), self._checked_at
        self._checked_at = now
        if now - checked_at > wire.CLIENT_SILENCE_LIMIT / 2:
            return []  # this process was suspended: messages sent meanwhile are still unread
        limit = now - wire.CLIENT_SILENCE_LIMIT
        return [client for client, at in self._last_message_at.items() if at < limit]

    def reply(self, client: bytes, message: wire.Message) -> None:
        """Send `message` to `client`."""
        self.send(client, wire.encode(message))

    def fail(self, client: bytes, request_id: int, error: ApiError, *, resumable: bool = False) -> None:
        """Send `Failed`. With `resumable`, the request is stranded: the web worker resumes it when it can."""
        self.reply(
            client,
            wire.Failed(
                id=request_id,
                status=error.status,
                message=error.message,
                type=error.type,
                code=error.code,
                param=error.param,
                retry_after=error.retry_after,
                resumable=resumable,
            ),
        )
