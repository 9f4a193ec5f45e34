"""A light client that times every event of many streams: one process, one epoll, no JSON.

An event ends with an empty line, and nothing else in a stream has one: JSON escapes its line breaks, and the frames of
chunked HTTP end in CR LF. So events are counted by their ends.
"""

import select
import socket
import time
from array import array
from collections import Counter
from dataclasses import dataclass, field

from bench.loads import Load

EVENT_END = b"\n\n"
CHUNKED_END = b"\r\n0\r\n\r\n"
DONE = b"data: [DONE]"
RECEIVE_BYTES = 1 << 18
SILENCE_SECONDS = 120.0
"""The longest wait for anything at all; what is still open then is incomplete."""


@dataclass(slots=True)
class Timings:
    """What was seen of one load."""

    seconds: float = 0.0
    """From the first request to the end of the last answer."""
    complete: int = 0
    errors: int = 0
    """Refused, reset, or answered with another status than 200."""
    incomplete: int = 0
    """Begun, and cut off before the end."""
    failures: Counter[str] = field(default_factory=Counter)
    """What was wrong with those, in a few words each."""
    ttft: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds from a request to its first text, one a stream."""
    gaps: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds between two reads of a stream that brought text: texts that come together make one long gap, not many of
    no length."""


class Stream:
    """One request on its connection, and how much of the answer has come."""

    __slots__ = ("events", "head", "last", "length", "marked", "opening", "sent_at", "sock", "tail", "texts")

    def __init__(self, sock: socket.socket, opening: int, texts: int) -> None:
        """`opening`: events before the first text; `texts`: how many texts there are at most."""
        self.sock, self.opening, self.texts = sock, opening, texts

    def send(self, request: bytes) -> None:
        self.events = 0
        self.head: bytes | None = b""
        """None once it is whole."""
        self.tail = b""
        self.length: int | None = None
        """Bytes of the body still to come; None: it is chunked, or the head is not yet whole."""
        self.marked = False
        """`[DONE]` was seen."""
        self.last = self.sent_at = time.perf_counter()
        self.sock.sendall(request)

    def take(self, data: bytes, now: float, timings: Timings) -> bool:
        """Account for what was read at `now`. True: the answer is whole. Raises `ValueError` for a bad status."""
        if self.head is not None:
            data = self._take_head(self.head + data)
            if not data:
                return False
        joined = self.tail + data
        new = joined.count(EVENT_END) - self.tail.count(EVENT_END)
        if new:
            self._time(new, now, timings)
        self.marked = self.marked or DONE in joined
        if self.length is not None:
            self.length -= len(data)
            return self.length <= 0
        self.tail = joined[-len(DONE) :]
        return joined.endswith(CHUNKED_END)

    def _take_head(self, data: bytes) -> bytes:
        head, end, body = data.partition(b"\r\n\r\n")
        if not end:
            self.head = data
            return b""
        lines = head.lower().split(b"\r\n")
        if b" 200 " not in lines[0] + b" ":
            raise ValueError(lines[0].decode("latin-1"))
        for line in lines:
            if line.startswith(b"content-length:"):
                self.length = int(line.partition(b":")[2])
        self.head = None
        return body

    def _time(self, new: int, now: float, timings: Timings) -> None:
        before, self.events = self.events, self.events + new
        first = self.opening
        if before <= first < self.events:
            timings.ttft.append(now - self.sent_at)
            self.last = now
        elif first < before < first + self.texts:  # what comes after the last text is no text
            timings.gaps.append(now - self.last)
            self.last = now


class Client:
    """Sends the requests of a load to one port."""

    def __init__(self, port: int, load: Load, *, opening: int = 0, keep_alive: bool = True) -> None:
        self._port, self._load, self._opening, self._keep_alive = port, load, opening, keep_alive
        more = "" if keep_alive else "Connection: close\r\n"
        self._requests = [
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{more}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
            for body in load.bodies()
        ]
        self._started = 0
        self._open: dict[int, Stream] = {}
        self._poll = select.epoll()
        self.timings = Timings()

    def run(self) -> Timings:
        timings, began = self.timings, time.perf_counter()
        try:
            for _ in range(self._load.connections):
                self._begin(None)
            while self._open:
                ready = self._poll.poll(SILENCE_SECONDS)
                if not ready:
                    for _ in self._open:
                        self._fail("incomplete", f"silent for {SILENCE_SECONDS:g} s")
                    break
                for fd, _ in ready:
                    self._read(self._open[fd])
            timings.seconds = time.perf_counter() - began
        finally:
            for stream in self._open.values():
                stream.sock.close()
            self._poll.close()
        return timings

    def _begin(self, stream: Stream | None) -> None:
        """Send the next request, if there is one, on the connection of `stream` or on a new one."""
        while self._started < self._load.requests:
            request = self._requests[self._started % len(self._requests)]
            self._started += 1
            try:
                if stream is None:
                    stream = self._connect()
                stream.send(request)
                return
            except OSError as error:
                self._fail("errors", f"not sent: {error}")
                self._close(stream)
                stream = None
        self._close(stream)

    def _connect(self) -> Stream:
        sock = socket.create_connection(("127.0.0.1", self._port), timeout=10)
        sock.setblocking(False)
        stream = Stream(sock, self._opening, self._load.max_tokens)
        self._open[sock.fileno()] = stream
        self._poll.register(sock, select.EPOLLIN)
        return stream

    def _close(self, stream: Stream | None) -> None:
        if stream is not None and self._open.pop(stream.sock.fileno(), None) is not None:
            self._poll.unregister(stream.sock)
            stream.sock.close()

    def _fail(self, kind: str, why: str) -> None:
        """`kind`: errors or incomplete."""
        setattr(self.timings, kind, getattr(self.timings, kind) + 1)
        self.timings.failures[why] += 1

    def _read(self, stream: Stream) -> None:
        timings = self.timings
        try:
            data = stream.sock.recv(RECEIVE_BYTES)
            whole = bool(data) and stream.take(data, time.perf_counter(), timings)
        except (OSError, ValueError) as error:
            self._fail("errors", str(error))
        else:
            if data and not whole:
                return
            if not data and stream.head is not None:
                self._fail("errors", "closed without an answer")
            elif not whole:
                self._fail("incomplete", "closed before the end")
            elif self._load.stream and not stream.marked:
                self._fail("incomplete", "ended without [DONE]")
            else:
                timings.complete += 1
                if self._keep_alive:
                    self._begin(stream)
                    return
        self._close(stream)
        self._begin(None)
