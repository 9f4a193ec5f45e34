"""gunicorn's gevent worker, with two things changed: its errors are JSON, and it does not wait for idle connections."""

import contextlib
import gc
import signal
import socket
import time
from types import TracebackType
from typing import Any

import gevent
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers import ggevent

from schemas.errors import ApiError
from schemas.replies.shape import encode_json
from webapp.server.response import HearthResponse

IDLE_BEFORE_CLOSE = 6.0
"""Seconds without a request after which a stopping worker closes a kept-alive connection.

Whoever uses a connection again while it is being closed loses that request. httpx, and so OpenAI's SDK, uses none that
has been idle for 5 s, nor does nginx with deploy/nginx/hearth.conf: they meet no such moment.
"""
GARBAGE_AT_ONCE = 10_000
"""Objects between two looks for garbage in cycles. Tokens make none; with Python's 700, looking was a tenth of them."""
LOOK_EVERY = 0.25
"""Seconds between two looks of a stopping worker at its idle connections."""


class _KeepAlive(gevent.Timeout):  # type: ignore[misc]
    """The wait for the next request of a connection, which a stopping worker may cut short."""

    def __init__(self, worker: "HearthWorker") -> None:
        super().__init__(worker.cfg.keepalive, False)
        self._idle_since = worker.idle_since

    def __enter__(self) -> "_KeepAlive":
        self._idle_since[gevent.getcurrent()] = time.monotonic()
        super().__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> Any:
        self._idle_since.pop(gevent.getcurrent(), None)
        return super().__exit__(kind, error, trace)


class HearthWorker(ggevent.GeventWorker):  # type: ignore[misc]
    """The worker class of gunicorn.conf.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: dict[gevent.Greenlet, socket.socket] = {}
        self.idle_since: dict[gevent.Greenlet, float] = {}
        """`time.monotonic()`, of those connections that wait for a request."""

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        greenlet = gevent.getcurrent()
        self.connections[greenlet] = client
        try:
            super().handle(listener, client, addr)
        finally:
            del self.connections[greenlet]

    def timeout_ctx(self) -> _KeepAlive:
        return _KeepAlive(self)

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # nothing of the application is garbage
        gc.set_threshold(GARBAGE_AT_ONCE)
        gevent.spawn(self._close_idle_when_stopping)
        super().run()
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the master repeats it, and must not cut the last messages off

    def _close_idle_when_stopping(self) -> None:
        while True:
            gevent.sleep(LOOK_EVERY)
            if self.alive:
                continue
            limit = time.monotonic() - IDLE_BEFORE_CLOSE
            for greenlet, since in self.idle_since.items():
                if since < limit:
                    # Its reader finds the end of the input, but what has arrived by now it reads and answers first.
                    with contextlib.suppress(OSError):
                        self.connections[greenlet].shutdown(socket.SHUT_RD)


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
wsgi.Response = HearthResponse  # nor a setting for this
