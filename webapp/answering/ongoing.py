"""What a request holds while it is answered, and releases when it ends, whoever reads the answer."""

from typing import Any

from gevent import get_hub

from schemas import wire
from schemas.replies.shape import Shape
from webapp.engine.reply import Reply
from webapp.observing.request_log import RequestLog
from webapp.services import Services


class Ongoing:
    """One request that the engine works on. Its log record, reply and deadline are acquired one by one and released
    together.
    """

    def __init__(self, shared: Services, record: RequestLog) -> None:
        self._shared = shared
        self._record = record
        self._reply: Reply | None = None
        self._deadline: Any = None
        self._closed = False

    def close(self) -> None:
        """Release everything, and write the log line. Does nothing after the first call."""
        if self._closed:
            return
        self._closed = True
        try:
            self._release()
        finally:
            self._record.write()

    def fail(self, status: int) -> None:
        """Close an answer that has no response."""
        self._record.status = status
        self.close()

    def _release(self) -> None:
        if self._deadline is not None:
            self._deadline.close()
        if self._reply is not None:
            self._reply.close()

    def _submit(self, message: wire.Generate, stream_interval: int = 1) -> Reply:
        """Send the request to the engine, and return its reply. Raises `ApiError`, as `EngineClient.submit`."""
        self._reply = reply = self._shared.engine.submit(message, stream_interval)
        return reply

    def _gather(self, reply: Reply, shape: Shape) -> None:
        """Add all that the engine sends to `shape`, which encodes its long parts as they come. Raises `ApiError`,
        `HungUp`.
        """
        while not reply.consumed:
            deltas = reply.deltas()
            shape.accept(reply.accepted)
            for delta in deltas:
                self._record.on_text()
                shape.add(delta)

    def _limit(self, reply: Reply, seconds: float) -> None:
        """End the request with an error after `seconds`."""
        self._deadline = get_hub().loop.timer(seconds)
        self._deadline.start(reply.time_out, seconds)
