"""gunicorn's gevent worker with six changes.

Its errors are JSON, it closes idle connections when it stops, it does not read a large body that was refused, it begins
few requests in one turn of its hub, its threads may import, and if it cannot start it ends without its master.
"""

import contextlib
import functools
import gc
import os
import signal
import socket
import sys
import time
from typing import Any

import gevent
import msgspec
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.workers import ggevent

from schemas.errors import ApiError
from schemas.shared.turns import Turns
from webapp.connection.hangups import cut_off_when_stuck
from webapp.server.first_byte import SEND_FIRST_BYTE, send_first_byte, unsent_part
from webapp.server.gate import Gate
from webapp.server.import_locks import use_real_locks
from webapp.server.listener import Listener
from webapp.server.memory import give_back_large_blocks
from webapp.server.once import work_out_once
from webapp.server.response import HearthResponse
from webapp.server.unread import linger, unread_bytes

IDLE_BEFORE_CLOSE = 6.0
"""Seconds without a request after which a stopping worker closes a kept-alive connection.

A client that sends a request on a connection that is being closed loses the request. httpx, on which OpenAI's SDK is
built, and nginx with deploy/nginx/hearth.conf use no connection that has been idle for 5 s: they never lose one.
"""
GARBAGE_AT_ONCE = 10_000
"""Allocations between two runs of the cyclic garbage collector.

Streaming makes no cycles, and with Python's threshold of 700 the collector took a tenth of the time of a token.
"""
CHECK_INTERVAL = 0.25
"""Seconds between two checks for idle connections."""
RETRY_SECONDS = 5.0
"""How long a worker that cannot start waits before it exits, and its master starts the next."""


class _KeepAlive:
    """The wait of a connection for its next request: notes since when. `_close_idle` ends a wait that is too long.

    gunicorn's own is a timer for each request, which costs as much as the request's parsing.
    """

    def __init__(self) -> None:
        self.idle_since: dict[gevent.Greenlet, float] = {}
        """For each connection that waits for a request: since when, as `time.monotonic()`."""

    def __enter__(self) -> None:
        self.idle_since[gevent.getcurrent()] = time.monotonic()

    def __exit__(self, *error: object) -> None:
        self.idle_since.pop(gevent.getcurrent(), None)


class HearthWorker(ggevent.GeventWorker):  # type: ignore[misc]
    """The worker class of gunicorn.conf.py."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.connections: dict[gevent.Greenlet, socket.socket] = {}
        self._waiting = _KeepAlive()
        self._gate = Gate()
        self.first = True
        """Whether this master has not yet had a worker that has started."""
        self.turns: Turns | None = None
        """The probe of the hub's turns, which the tests turn on."""

    def init_process(self) -> None:
        """Change gunicorn in this worker alone, and serve until the worker is to end.

        The master imports this module anew at each reload. If it were changed there, each reload's `HearthResponse`
        would derive from that of the reload before.

        gunicorn's own exit status of a worker that cannot start ends the master, which is right for the first ones
        only. Later, a file of keys that has been emptied, or a broken release, must not end those that serve.
        """
        util.write_error = _write_json_error  # gunicorn has no hook for its HTML error pages
        wsgi.Response = HearthResponse  # gunicorn has no setting for the response class
        ggevent.StreamServer = Listener  # nor for the server, without a handler class of its own
        work_out_once(self.cfg)
        give_back_large_blocks()
        try:
            super().init_process()
        except Exception:
            if self.booted or self.first:
                raise
            self.log.exception("this worker cannot start: another tries in %.0f s", RETRY_SECONDS)
            self._wait_for_retry()
            sys.exit(1)

    def patch(self) -> None:
        super().patch()
        use_real_locks()

    def _wait_for_retry(self) -> None:
        deadline = time.monotonic() + RETRY_SECONDS
        while self.alive and time.monotonic() < deadline and os.getppid() == self.ppid:
            time.sleep(CHECK_INTERVAL)

    def load_wsgi(self) -> None:
        super().load_wsgi()
        application: Any = self.wsgi  # type: ignore[has-type]

        def with_first_byte(environ: dict[str, Any], start_response: Any) -> Any:
            environ[SEND_FIRST_BYTE] = functools.partial(send_first_byte, environ["gunicorn.socket"])
            return application(environ, start_response)

        self.wsgi = with_first_byte

    def handle(self, listener: Any, client: Any, addr: Any) -> None:
        greenlet = gevent.getcurrent()
        self.connections[greenlet] = client
        try:
            cut_off_when_stuck(client)
            super().handle(listener, client, addr)
        finally:
            del self.connections[greenlet]

    def handle_request(self, listener_name: Any, request: Any, client: Any, addr: Any) -> Any:
        self._gate.wait()
        try:
            return super().handle_request(listener_name, request, client, addr)
        except StopIteration:  # the connection ends
            if unread_bytes(request) > 0:
                linger(client)
            raise

    def timeout_ctx(self) -> _KeepAlive:
        return self._waiting

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # the application's own objects live as long as the worker
        gc.set_threshold(GARBAGE_AT_ONCE)
        gevent.spawn(self._close_idle)
        if self.turns is not None:
            watcher = gevent.get_hub().loop.prepare(ref=False)
            watcher.start(self.turns.begin)
        super().run()
        # The master repeats the signal, which must not interrupt the last messages to the engine.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _close_idle(self) -> None:
        """Close the connections that wait for too long, forever."""
        while True:
            gevent.sleep(CHECK_INTERVAL)
            limit = time.monotonic() - (self.cfg.keepalive if self.alive else IDLE_BEFORE_CLOSE)
            for greenlet, since in self._waiting.idle_since.items():
                if since < limit:
                    # Its greenlet still answers a request that has already arrived, and then reads end of file.
                    with contextlib.suppress(OSError):
                        self.connections[greenlet].shutdown(socket.SHUT_RD)


def _write_json_error(sock: Any, status: int, reason: str, message: str) -> None:
    """Write an error as JSON for a request that never reaches the application, such as malformed HTTP.

    Nobody knows for which API it was: with `type` beside it, OpenAI's envelope is also Anthropic's.
    """
    error = ApiError(status, message or reason, type="invalid_request_error" if status < 500 else "server_error")
    body = msgspec.json.encode({"type": "error", **error.body()})
    head = (
        f"HTTP/1.1 {status} {reason}\r\nConnection: close\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    util.write_nonblock(sock, unsent_part(sock, head.encode("latin-1", "replace") + body))
