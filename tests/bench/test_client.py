"""The client that times streams: what it counts, and what it takes for a failure."""

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from bench.client import Client, Stream, Timings
from bench.loads import Load

HEAD = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"
TEXTS = [b'data: {"role"}\n\n', b'data: {"a"}\n\n', b'data: {"b"}\n\n', b'data: {"c"}\n\n', b"data: [DONE]\n\n"]


def chunk(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


WHOLE = HEAD + b"".join(map(chunk, TEXTS)) + END


def fed(pieces: list[bytes], *, texts: int = 3) -> tuple[Timings, bool, bool]:
    """What a stream makes of reads that come a second apart: timings, whether it is whole, and marked as done."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        stream, timings, whole = Stream(ours, opening=1, texts=texts), Timings(), False
        stream.send(b"request")
        stream.sent_at = 0.0
        for second, piece in enumerate(pieces, start=1):
            whole = stream.receive(piece, float(second), timings)
    return timings, whole, stream.saw_done


def test_times_the_first_text_and_the_gaps() -> None:
    timings, whole, marked = fed([HEAD, *map(chunk, TEXTS), END])
    assert (whole, marked) == (True, True)
    assert list(timings.ttft) == [3.0], "the role is no text"
    assert list(timings.gaps) == [1.0, 1.0], "the mark of the end is no text either"


def test_texts_that_come_together_are_one_gap() -> None:
    timings, _, _ = fed([HEAD + chunk(TEXTS[0]) + chunk(TEXTS[1]), chunk(TEXTS[2]) + chunk(TEXTS[3]) + END])
    assert list(timings.gaps) == [1.0]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 50])
def test_reads_may_end_anywhere(size: int) -> None:
    pieces = [WHOLE[start : start + size] for start in range(0, len(WHOLE), size)]
    timings, whole, marked = fed(pieces)
    assert (whole, marked) == (True, True)
    assert len(timings.ttft) == 1
    assert len(timings.gaps) <= 2


def test_a_body_of_known_length() -> None:
    _, whole, _ = fed([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n", b"ab"])
    assert not whole
    _, whole, _ = fed([b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nab", b"cd"])
    assert whole


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each connection is answered once, and then closed."""
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def serve() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    connection.recv(1 << 16)
                    answer(connection)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield listening.getsockname()[1]
        listening.shutdown(socket.SHUT_RDWR)
    thread.join()


def outcome(answer: bytes) -> tuple[int, int, int]:
    with server(lambda connection: connection.sendall(answer)) as port:
        timings = Client(port, Load("test", 2, 4, max_tokens=3), opening=1, keep_alive=False).run()
    return timings.complete, timings.errors, timings.incomplete


def test_whole_streams_are_complete() -> None:
    assert outcome(WHOLE) == (4, 0, 0)


def test_a_stream_that_is_cut_off_is_incomplete() -> None:
    assert outcome(HEAD + chunk(TEXTS[0]) + chunk(TEXTS[1])) == (0, 0, 4)


def test_a_stream_that_ends_without_its_mark_is_incomplete() -> None:
    assert outcome(HEAD + chunk(TEXTS[0]) + END) == (0, 0, 4)


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 503 Gone\r\nContent-Length: 0\r\n\r\n", b"HTTP/1.1 20"])
def test_all_else_is_an_error(answer: bytes) -> None:
    assert outcome(answer) == (0, 4, 0)


def test_a_refused_connection_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    timings = Client(port, Load("test", 2, 4)).run()
    assert (timings.complete, timings.errors) == (0, 4)
