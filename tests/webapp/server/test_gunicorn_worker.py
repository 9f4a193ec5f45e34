"""What HearthWorker and HearthLogger assume of gunicorn. A failure says what a new release has moved."""

import email.utils
import json
import logging
import os
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import gevent
import pytest
from gevent import socket as green
from gevent.event import Event
from gunicorn import http, util
from gunicorn.arbiter import Arbiter
from gunicorn.config import Config
from gunicorn.http import message, wsgi
from gunicorn.http.errors import InvalidRequestLine, ParseException
from gunicorn.workers.ggevent import GeventWorker

from tests.webapp.conftest import wait_until
from webapp.server.listener import Listener
from webapp.server.logger import HearthLogger
from webapp.server.response import HearthResponse
from webapp.server.unread import arrived
from webapp.server.worker import HearthWorker

REQUEST = b"POST /v1/completions HTTP/1.1\r\nHost: here\r\nContent-Length: 2\r\n\r\n{}"
ADDRESS = ("127.0.0.1", 50000)
Sockets = tuple[socket.socket, socket.socket]


@pytest.fixture
def sockets() -> Iterator[Sockets]:
    """The server's side of a connection and the client's."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        theirs.settimeout(10)
        yield ours, theirs


@pytest.fixture
def worker() -> HearthWorker:
    """A worker that has not started."""
    worker = HearthWorker(1, 1, [], None, 30, Config(), logging.getLogger("test"))
    worker.tmp.close()
    return worker


@pytest.fixture
def changed(worker: HearthWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a worker changes in gunicorn when it starts, until the end of the test."""
    restored = (
        (util, "write_error"),
        (util, "http_date"),
        (wsgi, "Response"),
        (wsgi, "base_environ"),
        (message.HeaderPolicy, "_peer_is_trusted_proxy"),
        (logging, "_srcfile"),
        (logging, "logThreads"),
        (logging, "logMultiprocessing"),
    )
    for owner, name in restored:
        monkeypatch.setattr(owner, name, getattr(owner, name))
    monkeypatch.setattr(GeventWorker, "init_process", lambda worker: None)
    worker.init_process()


@pytest.mark.usefixtures("changed")
def test_a_request_gets_the_response_class_of_the_wsgi_module(sockets: Sockets) -> None:
    ours, theirs = sockets
    theirs.sendall(REQUEST)
    request = next(http.get_parser(Config(), ours, ADDRESS))
    response, environ = wsgi.create(request, ours, ADDRESS, ("127.0.0.1", 6006), Config())
    assert type(response) is HearthResponse, (
        "gunicorn's wsgi.create no longer takes the class it finds as gunicorn.http.wsgi.Response, "
        "so webapp/server/worker.py cannot put HearthResponse in its place."
    )
    assert environ.get("gunicorn.socket") is ours, (
        "gunicorn no longer gives the application the client's socket as environ['gunicorn.socket']: "
        "see webapp/connection/chunk_writer.py and webapp/answering/answer.py."
    )


@pytest.mark.usefixtures("changed")
def test_what_is_kept_is_what_gunicorn_would_work_out(worker: HearthWorker, sockets: Sockets) -> None:
    ours, theirs = sockets
    fresh = Config()
    theirs.sendall(REQUEST + REQUEST)
    parser = http.get_parser(worker.cfg, ours, ADDRESS)
    for _ in range(2):
        request = next(parser)
        _, environ = wsgi.create(request, ours, ADDRESS, ("127.0.0.1", 6006), worker.cfg)
        assert environ["wsgi.url_scheme"] == "http" and environ["HTTP_HOST"] == "here"
        environ["left over"] = True
        assert request._peer_is_trusted_proxy() is True
        request.peer_addr = ("192.0.2.1", 1)
        assert request._peer_is_trusted_proxy() is False, "each address has an answer of its own"
        request.body.read()
    assert "left over" not in wsgi.base_environ(worker.cfg)
    assert email.utils.parsedate_to_datetime(util.http_date()) is not None
    assert util.http_date(0) == "Thu, 01 Jan 1970 00:00:00 GMT"
    different = [name for name in fresh.settings if getattr(worker.cfg, name) != getattr(fresh, name)]
    assert different == [], "gunicorn's settings are no longer read by __getattr__ from `Config.settings`"


def test_http_is_parsed_by_the_parser_in_c() -> None:
    assert message._check_fast_parser(Config()), (
        "gunicorn no longer takes gunicorn_h1c, or not this version of it: see requirements/web.in."
    )


@pytest.mark.parametrize(("sent", "whole"), [(b"ab", True), (b"a", False)])
def test_a_body_has_arrived_with_its_head_or_is_not_waited_for(sockets: Sockets, sent: bytes, whole: bool) -> None:
    ours, theirs = sockets
    theirs.sendall(REQUEST[:-2] + sent)
    request = next(http.get_parser(Config(), ours, ADDRESS))
    assert arrived(request.body, 2) == (sent if whole else None)
    theirs.sendall(b"b")
    assert request.body.read() == (b"" if whole else b"ab"), "what was not taken is still there"


@pytest.mark.usefixtures("changed")
def test_malformed_http_is_answered_by_write_error(worker: HearthWorker, sockets: Sockets) -> None:
    ours, theirs = sockets
    worker.handle_error(None, ours, ADDRESS, InvalidRequestLine("no request"))
    head, _, body = theirs.recv(4096).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400 Bad Request\r\n") and b"application/json" in head, (
        "gunicorn's worker no longer answers malformed HTTP by util.write_error(socket, status, reason, message), "
        "so webapp/server/worker.py cannot make it JSON."
    )
    assert json.loads(body)["error"]["type"] == "invalid_request_error"
    assert json.loads(body)["type"] == "error", "of Anthropic's clients, too"


def test_a_malformed_chunk_raises_a_parse_exception(sockets: Sockets) -> None:
    ours, theirs = sockets
    theirs.sendall(b"POST / HTTP/1.1\r\nHost: here\r\nTransfer-Encoding: chunked\r\n\r\nno number\r\n")
    theirs.shutdown(socket.SHUT_WR)
    request = next(http.get_parser(Config(), ours, ADDRESS))
    try:
        request.body.read()
        raised: Exception | None = None
    except Exception as error:
        raised = error
    assert isinstance(raised, ParseException), (
        "gunicorn no longer raises gunicorn.http.errors.ParseException while a malformed chunked body is read, "
        "which webapp/answering/request_body.py turns into a 400."
    )


def test_each_wait_for_a_request_is_within_timeout_ctx(
    worker: HearthWorker, sockets: Sockets, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours, theirs = sockets
    steps: list[str] = []

    @contextmanager
    def waiting() -> Iterator[None]:
        steps.append("wait")
        yield

    def handle_request(listener: Any, request: Any, client: Any, address: Any) -> None:
        steps.append("request" if ours in worker.connections.values() else "request of an unknown connection")

    monkeypatch.setattr(worker, "timeout_ctx", waiting)
    monkeypatch.setattr(worker, "handle_request", handle_request)
    theirs.sendall(REQUEST)
    theirs.shutdown(socket.SHUT_WR)
    worker.handle(SimpleNamespace(getsockname=lambda: ADDRESS), ours, ADDRESS)
    assert steps == ["wait", "request", "wait"], (
        "gunicorn's worker no longer serves a connection by handle(listener, client, address), "
        "with `timeout_ctx` around each wait for a request and only there: see _KeepAlive in webapp/server/worker.py."
    )
    assert worker.connections == {}


@pytest.mark.parametrize(("idle_seconds", "alive", "closed"), [(80, True, True), (60, True, False), (7, False, True)])
def test_a_connection_that_waits_for_too_long_is_closed(
    worker: HearthWorker,
    sockets: Sockets,
    monkeypatch: pytest.MonkeyPatch,
    idle_seconds: float,
    alive: bool,
    closed: bool,
) -> None:
    monkeypatch.setattr("webapp.server.worker.CHECK_INTERVAL", 0.001)
    worker.cfg.set("keepalive", 75)
    worker.alive = alive
    ours, _ = sockets
    ours.setblocking(False)
    greenlet = gevent.getcurrent()
    worker.connections[greenlet] = ours
    with worker.timeout_ctx():
        worker._waiting.idle_since[greenlet] -= idle_seconds
        closing = gevent.spawn(worker._close_idle)
        gevent.sleep(0.02)
        closing.kill()
        if closed:
            assert ours.recv(1) == b""
        else:
            with pytest.raises(BlockingIOError):
                ours.recv(1)
    assert worker._waiting.idle_since == {}


def test_a_stopping_worker_is_one_that_is_no_longer_alive(worker: HearthWorker) -> None:
    before = worker.alive
    worker.handle_exit(signal.SIGTERM, None)
    assert (before, worker.alive) == (True, False), (
        "gunicorn's worker no longer says by `alive` whether it accepts connections: "
        "see _close_idle in webapp/server/worker.py."
    )


def test_the_first_workers_failure_to_start_is_gunicorns(worker: HearthWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GeventWorker, "init_process", _fail)
    with pytest.raises(ValueError, match="no keys"):
        worker.init_process()


def test_a_later_workers_failure_to_start_does_not_end_the_master(
    worker: HearthWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(GeventWorker, "init_process", _fail)
    monkeypatch.setattr("webapp.server.worker.RETRY_SECONDS", 0.3)
    worker.first, worker.ppid = False, os.getppid()
    began = time.monotonic()
    with pytest.raises(SystemExit) as exit_:
        worker.init_process()
    assert exit_.value.code not in (0, Arbiter.WORKER_BOOT_ERROR, Arbiter.APP_LOAD_ERROR)
    assert time.monotonic() - began >= 0.3, "so that the master does not start one after the other"
    assert "cannot start" in caplog.text and "no keys" in caplog.text


def test_a_failure_after_the_start_is_gunicorns(worker: HearthWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(GeventWorker, "init_process", _fail)
    worker.first, worker.booted = False, True
    with pytest.raises(ValueError, match="no keys"):
        worker.init_process()


def _fail(worker: HearthWorker) -> None:
    raise ValueError("no keys")


def test_the_worker_has_the_methods_that_are_overridden() -> None:
    names = ("init_process", "run", "handle", "timeout_ctx", "handle_request", "handle_error", "handle_exit")
    missing = [name for name in names if not hasattr(GeventWorker, name)]
    assert missing == [], (
        f"gunicorn's gevent worker has no {missing} any more, which webapp/server/worker.py overrides or calls."
    )


def test_no_access_line_is_composed_where_none_is_wanted() -> None:
    config = Config()
    config.set("logconfig_dict", {"version": 1, "disable_existing_loggers": False})
    logger = HearthLogger(config)
    try:
        logger.access(None, None, None, None)
        composed = False
    except AttributeError:
        composed = True
    assert not composed, (
        "gunicorn's Logger no longer asks _compute_access_log_enabled before it composes an access line, "
        "which webapp/server/logger.py overrides."
    )


# ---- how a worker ends ------------------------------------------------------------------------------------------


@pytest.fixture
def listening(worker: HearthWorker, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, int]]:
    """The address of a worker that tells its master once in ten minutes that it lives."""
    monkeypatch.setattr("webapp.server.worker.NOTIFY_SECONDS", 600)
    monkeypatch.setattr(worker, "notify", lambda: None)
    with green.socket() as its:  # as a worker's are, whose sockets are all gevent's
        its.bind((ADDRESS[0], 0))
        its.listen()
        worker.sockets = [its]
        yield its.getsockname()


def test_a_worker_accepts_connections_while_it_can_open_files(worker: HearthWorker, listening: tuple[str, int]) -> None:
    server = worker._listen(worker.sockets[0])
    assert type(server) is Listener
    server.close()


@pytest.mark.parametrize("held", [False, True])
def test_a_worker_ends_when_it_is_told_to_and_its_connections_have_ended(
    worker: HearthWorker, listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch, held: bool
) -> None:
    accepted, done = Event(), Event()
    monkeypatch.setattr(worker, "handle", lambda *given: accepted.set() or done.wait())
    serving = gevent.spawn(worker._serve)
    gevent.sleep(0)
    if held:
        with socket.create_connection(listening):
            assert accepted.wait(10)
    worker.handle_exit(signal.SIGTERM, None)
    if held:
        serving.join(0.2)
        assert not serving.dead
        done.set()
    serving.join(10)
    assert serving.successful()


def test_a_connection_that_was_accepted_just_before_the_worker_ends_is_served(
    worker: HearthWorker, listening: tuple[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    begin = Listener.do_handle

    def begin_and_close(server: Listener, *connection: object) -> None:
        begin(server, *connection)
        server.close()  # before the connection's greenlet has run

    monkeypatch.setattr(Listener, "do_handle", begin_and_close)
    served: list[object] = []
    monkeypatch.setattr(worker, "handle_request", lambda name, *given: served.append(name))
    server = worker._listen(worker.sockets[0])
    with socket.create_connection(listening) as client:
        client.sendall(REQUEST)
        client.shutdown(socket.SHUT_WR)
        wait_until(lambda: not server.started)
        assert server.pool.join(10)
    assert served == [listening]


def test_a_connection_that_does_not_end_is_ended_when_the_worker_must(
    worker: HearthWorker,
    listening: tuple[str, int],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    ended = Event()

    def handle(*given: object) -> None:
        try:
            worker.handle_exit(signal.SIGTERM, None)
            Event().wait()
        finally:
            ended.set()

    monkeypatch.setattr(worker, "handle", handle)
    worker.cfg.set("graceful_timeout", 0)
    serving = gevent.spawn(worker._serve)
    gevent.sleep(0)
    with socket.create_connection(listening):
        assert ended.wait(10)
    serving.join(10)
    assert serving.successful()
    assert "Worker graceful timeout" in caplog.text
