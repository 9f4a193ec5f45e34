"""What leaves in which write."""

from types import SimpleNamespace
from typing import Any

import pytest
from gunicorn import util
from gunicorn.config import Config

from webapp.server import worker
from webapp.server.first_byte import send_first_byte
from webapp.server.response import HearthResponse


class Response:
    """One that writes to nobody, and what it has written."""

    def __init__(self, method: str = "POST", version: tuple[int, int] = (1, 1), most: int = 10_000) -> None:
        """`most`: bytes that the socket has room for."""
        self.writes: list[bytes] = []
        self._most = most
        request = SimpleNamespace(method=method, version=version, should_close=lambda: version == (1, 0))
        self.response = HearthResponse(request, self, Config())

    def sendall(self, data: bytes) -> None:
        self.writes.append(data)

    def send(self, data: bytes, flags: int = 0, timeout: float | None = None) -> int:
        self.writes.append(data[: self._most])
        return len(self.writes[-1])

    def respond(self, *items: bytes, status: str = "200 OK", **headers: str) -> list[bytes]:
        self.response.start_response(status, list(headers.items()))
        for item in items:
            self.response.write(item)
        self.response.close()
        return self.writes


def test_a_whole_body_leaves_with_its_headers() -> None:
    (only,) = Response().respond(b'{"a":1}', **{"Content-Length": "7", "X-Request-ID": "one"})

    head, body = only.split(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"\r\nX-Request-ID: one" in head
    assert b"chunked" not in head
    assert body == b'{"a":1}'


def test_what_the_socket_has_no_room_for_follows() -> None:
    first, rest = Response(most=20).respond(b'{"a":1}', **{"Content-Length": "7"})

    assert (len(first), rest[-7:]) == (20, b'{"a":1}')


def test_the_first_chunk_leaves_with_the_headers_and_each_other_by_itself() -> None:
    first, *rest = Response().respond(b"one", b"0123456789abcdef")

    head, body = first.split(b"\r\n\r\n", 1)
    assert b"\r\nTransfer-Encoding: chunked" in head
    assert body == b"3\r\none\r\n"
    assert rest == [b"10\r\n0123456789abcdef\r\n", b"0\r\n\r\n"]


def test_an_old_client_gets_no_chunks() -> None:
    first, second = Response(version=(1, 0)).respond(b"one", b"two")

    assert first.endswith(b"\r\nConnection: close\r\n\r\none")
    assert second == b"two"


@pytest.mark.parametrize(
    ("method", "status", "items"),
    [("HEAD", "200 OK", [b"body"]), ("GET", "204 No Content", []), ("GET", "304 Not Modified", [b""])],
)
def test_headers_leave_where_no_body_may(method: str, status: str, items: list[Any]) -> None:
    (only,) = Response(method).respond(*items, status=status)

    assert only.startswith(f"HTTP/1.1 {status}\r\n".encode())
    assert only.endswith(b"\r\n\r\n")


def test_an_empty_stream_has_headers_and_an_end() -> None:
    assert [write[-7:] for write in Response().respond()] == [b"ked\r\n\r\n", b"0\r\n\r\n"]


def test_a_file_is_written_in_order() -> None:
    response = Response()
    response.response.start_response("200 OK", [("Content-Length", "4")])
    response.response.write_file([b"fi", b"le"])

    assert b"".join(response.writes).endswith(b"\r\n\r\nfile")


def test_gunicorn_writes_headers_and_body_by_the_methods_that_are_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    steps: list[str] = []
    response = Response().response
    for name in ("send_headers", "_emit_body", "sendfile"):
        monkeypatch.setattr(response, name, lambda *arguments, name=name: steps.append(name))
    response.start_response("200 OK", [("Content-Length", "6")])
    response.write(b"one")
    response.write_file([b"two"])
    assert steps == ["send_headers", "_emit_body", "sendfile", "send_headers", "_emit_body"], (
        "gunicorn's Response no longer sends headers by send_headers, a body by _emit_body and a file by sendfile, "
        "which webapp/server/response.py overrides."
    )


def test_gunicorn_keeps_what_the_headers_are_made_of() -> None:
    response = Response().response
    response.start_response("200 OK", [("X-One", "1")])
    found = (response.headers, response.chunked, response.headers_sent, response.default_headers()[0])
    assert found == ([("X-One", "1")], True, False, "HTTP/1.1 200 OK\r\n"), (
        "gunicorn's Response no longer keeps `headers` as pairs, `chunked`, `headers_sent` or default_headers() as "
        "lines, of which webapp/server/response.py makes the head."
    )


def test_a_byte_that_was_sent_ahead_is_not_sent_again() -> None:
    response = Response()
    assert send_first_byte(response)
    assert send_first_byte(response)
    first, second = response.respond(b"body", **{"Content-Length": "4"})
    assert first == b"H"
    assert second.startswith(b"TTP/1.1 200 OK\r\n")
    assert not send_first_byte(response)


def test_nor_before_an_error_page_of_gunicorns(monkeypatch: pytest.MonkeyPatch) -> None:
    response = Response()
    send_first_byte(response)
    monkeypatch.setattr(util, "write_nonblock", lambda sock, data: sock.sendall(data))
    worker._write_json_error(response, 500, "Internal Server Error", "")
    assert b"".join(response.writes).startswith(b"HTTP/1.1 500 Internal")
