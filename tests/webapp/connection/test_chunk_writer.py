"""Streams written by the receiving greenlet: what leaves, in which order, and what happens where a client is slow."""

import contextlib
import socket as plain
from collections.abc import Iterator

import gevent
import pytest
from gevent import socket as gsocket

from schemas import wire
from schemas.errors import ApiError
from schemas.replies.completion import CompletionShape
from webapp.answering import sse
from webapp.connection.chunk_writer import ChunkWriter, chunked_connection
from webapp.engine.pace import Pace
from webapp.engine.reply import Reply


class Stream:
    """A reply of which `write` does what gunicorn does: frame each item, and wait until the client has taken it."""

    def __init__(self) -> None:
        server, self.client = plain.socketpair()
        self.client.settimeout(30)
        server.setsockopt(plain.SOL_SOCKET, plain.SO_SNDBUF, 4096)
        self.server = gsocket.socket(fileno=server.detach())
        self.reply = Reply(wire.Generate(id=1, name="one", messages=[], stream=True), lambda _: None)
        self.shape = CompletionShape("fake", 1, with_logprobs=False, include_usage=False)
        self.writer = ChunkWriter(self.server, self.shape)
        self.items: list[bytes] = []
        self.greenlet = gevent.spawn(self._write)

    def _write(self) -> None:
        for item in sse.events(
            self.reply, self.shape, include_usage=False, on_text=lambda: None, on_end=lambda _: None, writer=self.writer
        ):
            self.items.append(item)
            self.server.sendall(b"%x\r\n%b\r\n" % (len(item), item))
        self.server.close()

    def put(self, text: str, finish: str | None = None) -> None:
        self.reply.put(wire.Delta(1, 0, text, [1], finish))
        self.reply.deliver()

    def read(self, begun: bytes = b"") -> bytes:
        """The body without its framing. `begun`: what has been read of it."""
        gevent.sleep(0)
        data = begun + b"".join(iter(lambda: gevent.get_hub().threadpool.apply(self.client.recv, (65536,)), b""))
        body = b""
        while data:
            size, _, data = data.partition(b"\r\n")
            body += data[: int(size, 16)]
            assert data[int(size, 16) :].startswith(b"\r\n")
            data = data[int(size, 16) + 2 :]
        return body


@pytest.fixture
def stream() -> Iterator[Stream]:
    stream = Stream()
    gevent.sleep(0)
    yield stream
    stream.greenlet.kill()
    stream.client.close()


def texts(body: bytes) -> list[str]:
    events = body.decode().split("\n\n")
    return [event.split('"text":"')[1].split('"')[0] for event in events if '"text":"' in event]


def test_only_the_first_and_the_last_text_wake_the_requests_own_greenlet(stream: Stream) -> None:
    for text in "abcde":
        stream.put(text)
        gevent.sleep(0.01)
    stream.put("f", "stop")
    assert texts(stream.read()) == [*"abcdef", ""]
    assert [texts(item) for item in stream.items] == [["a"], ["f", ""]]


def test_what_comes_together_leaves_together(stream: Stream) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    stream.client.settimeout(5)
    assert texts(stream.client.recv(65536)) == ["a"]
    for text in "bc":
        stream.reply.put(wire.Delta(1, 0, text, [1]))
    stream.reply.deliver()
    chunk = stream.client.recv(65536)
    assert texts(chunk) == ["bc"], "one event"
    assert chunk.count(b"\r\n") == 2, "one chunk"


def test_a_client_that_reads_late_gets_all_in_order(stream: Stream) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    written = ["a"]
    for number in range(500):
        written.append(f"<{number}>")
        stream.put(written[-1])
        gevent.sleep(0)
    stream.put("", "stop")
    assert "".join(texts(stream.read())) == "".join(written)
    assert stream.shape.completion_tokens == 502, "each token is counted once"


def test_the_rest_of_what_was_cut_off_does_not_wait_for_more(stream: Stream) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    stream.put("x" * 100_000)
    received = b""
    while not received.endswith(b"}\n\n\r\n") or b"x" not in received:
        received += gevent.get_hub().threadpool.apply(stream.client.recv, (65536,))
    stream.put("", "stop")
    assert texts(stream.read(received)) == ["a", "x" * 100_000, ""]


def test_an_error_comes_after_all_that_was_cut_off(stream: Stream) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    stream.put("x" * 100_000)
    stream.reply.fail(ApiError(500, "Broken."))
    body = stream.read()
    assert texts(body) == ["a", "x" * 100_000]
    assert b"Broken." in body


def test_nothing_comes_between_while_the_requests_own_greenlet_writes(stream: Stream) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    stream.put("x" * 100_000)
    gevent.sleep(0.01)  # it waits for the client to take the rest
    received = stream.client.recv(2048)
    stream.client.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            received += stream.client.recv(65536)
    stream.client.settimeout(30)
    stream.put("b")  # there is room again, and it has not heard of that
    stream.put("", "stop")
    assert texts(stream.read(received)) == ["a", "x" * 100_000, "b", ""]


def test_a_client_that_has_gone_ends_its_own_greenlet_alone(stream: Stream) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    stream.client.close()
    stream.put("b")
    stream.put("c")
    stream.greenlet.join(5)
    assert isinstance(stream.greenlet.exception, OSError)


def test_what_cannot_be_shaped_ends_its_own_request_alone(stream: Stream, caplog: pytest.LogCaptureFixture) -> None:
    stream.put("a")
    gevent.sleep(0.01)
    stream.put("\ud800")
    stream.greenlet.join(5)
    assert isinstance(stream.greenlet.exception, UnicodeEncodeError)
    assert "one cannot be written" in caplog.text


def test_a_ping_comes_after_a_silence_of_both(stream: Stream, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "PING_SECONDS", 1.0)
    stream.put("a")
    for _ in range(8):  # longer than a ping's time, in shorter steps
        gevent.sleep(0.2)
        stream.put("b")
        stream.client.recv(65536)
    assert stream.shape.ping not in stream.items
    gevent.sleep(1.5)
    assert stream.shape.ping in stream.items


@pytest.mark.parametrize(
    ("protocol", "direct"), [("HTTP/1.1", True), ("HTTP/1.0", False), ("HTTP/2", False), (None, False)]
)
def test_only_chunks_of_http_1_1_are_written_directly(stream: Stream, protocol: str | None, direct: bool) -> None:
    environ = {"gunicorn.socket": stream.server, "SERVER_PROTOCOL": protocol}
    assert (chunked_connection(environ) is stream.server) is direct


def test_other_sockets_are_left_to_their_server(stream: Stream) -> None:
    assert chunked_connection({"gunicorn.socket": stream.client, "SERVER_PROTOCOL": "HTTP/1.1"}) is None
    assert chunked_connection({"SERVER_PROTOCOL": "HTTP/1.1"}) is None


def test_a_stream_with_an_interval_sends_several_tokens_in_one_event(stream: Stream) -> None:
    stream.reply._pace = Pace(3)
    for text in "abcdefg":
        stream.put(text)
        gevent.sleep(0.01)
    stream.put("h", "stop")
    assert texts(stream.read()) == ["a", "bcd", "efg", "h", ""]
    assert stream.shape.completion_tokens == 8
