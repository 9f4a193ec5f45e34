"""gunicorn's gevent worker, with two things changed: its errors are JSON, and it does not wait for idle connections."""

import time
from types import TracebackType
from typing import Any

import gevent
from gunicorn import util
from gunicorn.workers import ggevent

from schemas.errors import ApiError
from schemas.replies import encode_json

IDLE_BEFORE_CLOSE = 0.5
"""Seconds without a request after which a stopping worker closes a kept-alive connection."""


class _KeepAlive(gevent.Timeout):  # type: ignore[misc]
    """The wait for the next request of a connection, which a stopping worker may cut short."""

    def __init__(self, worker: "HearthWorker") -> None:
        super().__init__(worker.cfg.keepalive, False)
        self._waits = worker.waits

    def __enter__(self) -> "_KeepAlive":
        self._waits[self] = (gevent.getcurrent(), time.monotonic())
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self._waits.pop(self, None)
        return super().__exit__(kind, error, trace)


class HearthWorker(ggevent.GeventWorker):  # type: ignore[misc]
    """The worker class of gunicorn.conf.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.waits: dict[_KeepAlive, tuple[gevent.Greenlet, float]] = {}

    def timeout_ctx(self) -> _KeepAlive:
        return _KeepAlive(self)

    def run(self) -> None:
        gevent.spawn(self._close_idle_when_stopping)
        super().run()

    def _close_idle_when_stopping(self) -> None:
        while True:
            gevent.sleep(IDLE_BEFORE_CLOSE / 2)
            if self.alive:
                continue
            limit = time.monotonic() - IDLE_BEFORE_CLOSE
            for wait, (greenlet, since) in list(self.waits.items()):
                if since < limit:
                    gevent.kill(greenlet, wait)


def _write_json_error(sock: Any, status: int, reason: str, message: str) -> None:
    """For requests that never reach the application: malformed HTTP."""
    error = ApiError(status, message or reason, type="invalid_request_error" if status < 500 else "server_error")
    body = encode_json(error.body())
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, head.encode("latin-1", "replace") + body)


util.write_error = _write_json_error  # gunicorn has no hook for its HTML error pages
