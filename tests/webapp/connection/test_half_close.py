"""A client that closes its sending half keeps its answer, and one that is gone is noticed: over real sockets."""

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from bench.stack import free_port, until
from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests.fake_engine import FakeEngine, Script, complete
from tests.webapp.asking import hold, never_accept
from webapp.connection.hangups import CHECK_INTERVAL

Connect = Callable[[], socket.socket]
LONG_ENOUGH = 3 * CHECK_INTERVAL
"""Seconds in which the worker looks at its clients at least twice."""


@pytest.fixture(scope="module", params=["tcp", "unix"])
def running(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Connect, FakeEngine]]:
    """How to connect to a gunicorn of one worker, and its engine."""
    run_dir = tmp_path_factory.mktemp("half")
    port, path = free_port(), str(run_dir / "web.sock")

    def connect() -> socket.socket:
        if request.param == "tcp":
            return socket.create_connection(("127.0.0.1", port), timeout=20)
        connection = socket.socket(socket.AF_UNIX)
        connection.settimeout(20)
        connection.connect(path)
        return connection

    def answers() -> bool:
        try:
            with connect() as connection:
                connection.sendall(b"GET /ready HTTP/1.0\r\n\r\n")
                return b"200 OK" in rest(connection)
        except OSError:
            return False

    environment = {
        **os.environ,
        "HEARTH_RUN_DIR": str(run_dir),
        "HEARTH_ENGINE_SPAWN": "0",
        "HEARTH_BIND": f"127.0.0.1:{port}" if request.param == "tcp" else f"unix:{path}",
        "WEB_CONCURRENCY": "1",
    }
    command = [str(Path(sys.executable).with_name("gunicorn")), "wsgi:app"]
    with FakeEngine(run_dir) as engine:
        with (run_dir / "web.log").open("wb") as log:
            process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)
        try:
            until(answers, 60, "gunicorn answers")
            yield connect, engine
        finally:
            process.send_signal(signal.SIGQUIT)
            process.wait(30)


@pytest.fixture
def client(running: tuple[Connect, FakeEngine]) -> tuple[Connect, FakeEngine]:
    """The same, with an engine that has received nothing yet."""
    running[1].received.clear()
    return running


def request(version: str = "1.1", **fields: Any) -> bytes:
    body = json.dumps({"prompt": "Once", **fields}).encode()
    head = f"POST /v1/completions HTTP/{version}\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Connection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def rest(connection: socket.socket) -> bytes:
    """Return all that comes until the end of the connection."""
    received = b""
    while data := connection.recv(65536):
        received += data
    return received


def late(script: Script, seconds: float = LONG_ENOUGH) -> Script:
    def wait(engine: FakeEngine, generate: wire.Generate) -> None:
        time.sleep(seconds)
        script(engine, generate)

    return wait


def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
    engine.send(wire.Failed(id=generate.id, status=429, message="Full.", code="queue_full"))


def begin(engine: FakeEngine, generate: wire.Generate) -> None:
    hold(engine, generate)
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))


@pytest.mark.parametrize("version", ["1.0", "1.1"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_who_sends_no_more_gets_the_answer(client: tuple[Connect, FakeEngine], version: str, stream: bool) -> None:
    make, engine = client
    engine.on_generate = late(complete)
    with make() as connection:
        connection.sendall(request(version, stream=stream))
        connection.shutdown(socket.SHUT_WR)
        received = rest(connection)
    assert received.startswith(f"HTTP/{version} 200 OK\r\n".encode())
    assert (b"[DONE]" if stream else b'"text":"one two"') in received
    assert not engine.messages(wire.Abort)


def test_a_refusal_keeps_its_status(client: tuple[Connect, FakeEngine]) -> None:
    make, engine = client
    engine.on_generate = late(refuse)
    with make() as connection:
        connection.sendall(request())
        connection.shutdown(socket.SHUT_WR)
        received = rest(connection)
    assert received.startswith(b"HTTP/1.1 429 ")
    assert b"queue_full" in received


def test_a_stream_goes_on_when_its_client_sends_no_more(client: tuple[Connect, FakeEngine]) -> None:
    make, engine = client
    engine.on_generate = begin
    with make() as connection:
        connection.sendall(request(stream=True))
        assert b"one " in connection.recv(65536)
        connection.shutdown(socket.SHUT_WR)
        time.sleep(LONG_ENOUGH)
        (generate,) = engine.messages(wire.Generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "two", [2], "stop")]))
        received = rest(connection)
    assert b'"text":"two"' in received
    assert b"[DONE]" in received


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("script", [never_accept, hold, begin])
def test_who_is_gone_is_noticed(client: tuple[Connect, FakeEngine], script: Script, stream: bool) -> None:
    make, engine = client
    engine.on_generate = script
    with make() as connection:
        connection.sendall(request(stream=stream))
        until(lambda: engine.messages(wire.Generate), 10, "the engine has the request")
        if stream and script is begin:
            assert b"one " in connection.recv(65536)
    until(lambda: engine.messages(wire.Abort), 3, "the engine is told to end it")
