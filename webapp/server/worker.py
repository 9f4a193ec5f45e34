"""gunicorn's gevent worker with eight changes.

Its errors are JSON, it stops when it is told to, it answers what it has accepted until then, it closes idle connections
then, it does not read a large body that was refused, it begins few requests in one turn of its hub, its threads may
import, and if it cannot start it ends without its master.
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
from gevent.event import Event
from gevent.pool import Pool
from gunicorn import util
from gunicorn.http import wsgi
from gunicorn.sock import ssl_context
from gunicorn.workers import ggevent

from schemas.errors import ApiError
from schemas.shared.turns import Turns
from webapp.connection.hangups import cut_off_when_stuck
from webapp.server.first_byte import SEND_FIRST_BYTE, send_first_byte, unsent_part
from webapp.server.gate import Gate
from webapp.server.import_locks import use_real_locks
from webapp.server.listener import Listener, ListenerName
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
NOTIFY_SECONDS = 1.0
"""Seconds between two signs of life for the master."""
STOP_INTERVAL = 0.05
"""Seconds between two looks of a stopping worker whether a connection is left."""
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
        self._ending = Event()
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

    def handle_exit(self, signal_number: int, frame: Any) -> None:
        super().handle_exit(signal_number, frame)
        self._ending.set()

    def run(self) -> None:
        gc.collect()
        gc.freeze()  # the application's own objects live as long as the worker
        gc.set_threshold(GARBAGE_AT_ONCE)
        gevent.spawn(self._close_idle)
        if self.turns is not None:
            watcher = gevent.get_hub().loop.prepare(ref=False)
            watcher.start(self.turns.begin)
        self._serve()
        # The master repeats the signal, which must not interrupt the last messages to the engine.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)

    def _serve(self) -> None:
        """Serve until the worker is to end and its connections have ended.

        gunicorn's own worker looks once a second whether it is to end, and then whether a connection is left.
        """
        servers = [self._listen(each) for each in self.sockets]
        while self.alive:
            self.notify()
            self._ending.wait(NOTIFY_SECONDS)
        self._stop(servers)

    def _listen(self, listening: Any) -> Listener:
        """Accept connections, each in a greenlet of its own."""
        listening.setblocking(1)
        secure = {"ssl_context": ssl_context(self.cfg)} if self.cfg.is_ssl else {}
        handle = functools.partial(self.handle, ListenerName(listening))
        server = Listener(listening, handle=handle, spawn=Pool(self.worker_connections), **secure)
        if self.cfg.workers > 1:
            server.max_accept = 1
        server.start()
        return server

    def _stop(self, servers: list[Listener]) -> None:
        """Accept no more, and wait until the connections have ended, for `graceful_timeout` at most."""
        for server in servers:
            server.close()
        deadline = time.monotonic() + self.cfg.graceful_timeout
        while any(server.pool for server in servers):
            if time.monotonic() > deadline:
                self.log.warning("Worker graceful timeout (pid:%s)", self.pid)
                for server in servers:
                    server.stop(timeout=1)
                return
            self.notify()
            gevent.sleep(STOP_INTERVAL)

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
