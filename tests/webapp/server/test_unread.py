"""Bodies that were refused unread, over real sockets and a real gunicorn with the whole application."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from bench.stack import free_port, until
from schemas.shared.endpoint import PROJECT_ROOT
from webapp.server.unread import LINGER_SECONDS, MOST_DRAINED

KEY = "sk-one"
HEALTH = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"


class Server(NamedTuple):
    port: int
    log: Path

    def connect(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=20)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A web tier of one worker that requires a key, without an engine."""
    directory = tmp_path_factory.mktemp("web")
    server = Server(free_port(), directory / "web.log")
    environment = {
        **os.environ,
        "HEARTH_RUN_DIR": str(directory),
        "HEARTH_BIND": f"127.0.0.1:{server.port}",
        "HEARTH_ENGINE_SPAWN": "0",
        "HEARTH_API_KEYS": KEY,
        "HEARTH_MAX_BODY_BYTES": "200000",
        "WEB_CONCURRENCY": "1",
    }
    command = [str(Path(sys.executable).with_name("gunicorn")), "wsgi:app"]
    with server.log.open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: answers(server), 60, "gunicorn answers")
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(20)


def answers(server: Server) -> bool:
    try:
        with server.connect() as connection:
            connection.sendall(HEALTH)
            return b" 200 OK" in connection.recv(1000)
    except OSError:
        return False


def head(length: int | None, *, key: str = "sk-wrong", media_type: str = "application/json") -> bytes:
    """The head of a POST. `length` None: the body is chunked."""
    body = "Transfer-Encoding: chunked" if length is None else f"Content-Length: {length}"
    lines = ["POST /v1/completions HTTP/1.1", "Host: localhost", f"Authorization: Bearer {key}"]
    return "\r\n".join([*lines, f"Content-Type: {media_type}", body, "\r\n"]).encode()


def read_response(connection: socket.socket) -> tuple[int, bytes]:
    """The status and the head of a response with a Content-Length."""
    received = b""
    while b"\r\n\r\n" not in received:
        more = connection.recv(65536)
        assert more, "the connection was closed before a response"
        received += more
    lines, _, body = received.partition(b"\r\n\r\n")
    (length,) = (
        int(line.split(b":")[1]) for line in lines.split(b"\r\n") if line.lower().startswith(b"content-length")
    )
    while len(body) < length:
        body += connection.recv(65536)
    return int(lines.split()[1]), lines.lower()


def is_closed(connection: socket.socket) -> bool:
    try:
        return connection.recv(1) == b""
    except ConnectionResetError:
        return True


@pytest.mark.parametrize("length", [MOST_DRAINED + 1, 10**9, None], ids=["just too many", "a gigabyte", "chunked"])
def test_a_refusal_comes_before_the_body_and_ends_the_connection(server: Server, length: int | None) -> None:
    with server.connect() as connection:
        connection.sendall(head(length))
        status, lines = read_response(connection)
        assert (status, b"connection: close" in lines) == (401, True)
        asked_at = time.monotonic()
        connection.settimeout(LINGER_SECONDS + 10)
        assert is_closed(connection)
        assert time.monotonic() - asked_at < LINGER_SECONDS + 5


@pytest.mark.parametrize(
    ("refused", "status"),
    [
        (head(150_000, key=KEY, media_type="text/plain"), 415),
        (head(10**9, key=KEY), 413),
        (head(150_000, key=KEY).replace(b"/v1/completions", b"/v1/nothing"), 404),
        (head(150_000, key=KEY).replace(b"localhost", b"evil.example"), 403),
    ],
    ids=["media type", "too large", "unknown path", "host"],
)
def test_whatever_the_refusal(server: Server, refused: bytes, status: int) -> None:
    with server.connect() as connection:
        connection.sendall(refused)
        found, lines = read_response(connection)
        assert (found, b"connection: close" in lines) == (status, True)
        assert is_closed(connection)


def test_a_small_body_leaves_the_connection_open(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(MOST_DRAINED) + b" " * MOST_DRAINED)
        status, lines = read_response(connection)
        assert (status, b"connection: close" in lines) == (401, False)
        connection.sendall(HEALTH)
        assert read_response(connection)[0] == 200


@pytest.mark.parametrize("length", [150_000, None], ids=["by its length", "chunked"])
def test_a_body_that_was_read_leaves_the_connection_open(server: Server, length: int | None) -> None:
    body = b" " * 150_000
    with server.connect() as connection:
        sent = body if length else b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
        connection.sendall(head(length, key=KEY) + sent)
        status, lines = read_response(connection)
        assert (status, b"connection: close" in lines) == (400, False)
        connection.sendall(HEALTH)
        assert read_response(connection)[0] == 200


def test_a_client_that_sends_first_and_reads_then_gets_its_response(server: Server) -> None:
    with server.connect() as connection:
        connection.sendall(head(8_000_000) + b" " * 8_000_000)
        assert read_response(connection)[0] == 401
        assert is_closed(connection)


def test_one_that_sends_for_ever_is_cut_off_and_disturbs_nobody(server: Server) -> None:
    began = time.monotonic()
    slowest = 0.0
    with server.connect() as connection:
        connection.sendall(head(None))
        with pytest.raises(OSError):
            while time.monotonic() - began < 30:
                connection.sendall(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
                asked_at = time.monotonic()
                assert answers(server)
                slowest = max(slowest, time.monotonic() - asked_at)
    assert time.monotonic() - began < LINGER_SECONDS + 10
    assert slowest < 5
