"""A light client that times every event of many streams, with one process, one epoll and no JSON.

Events are counted by the empty line at their end. Nothing else in a stream has one: JSON escapes its line breaks, and
the frames of chunked HTTP end in CR LF.
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
"""Time without any data after which all open streams count as incomplete."""


@dataclass(slots=True)
class Timings:
    """The measurements of one load."""

    seconds: float = 0.0
    """From the first request to the end of the last answer."""
    complete: int = 0
    errors: int = 0
    """Requests refused, reset, or answered with another status than 200."""
    incomplete: int = 0
    """Answers cut off before their end."""
    failures: Counter[str] = field(default_factory=Counter)
    """Reasons of the errors and incomplete answers, with their counts."""
    ttft: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds from a request to its first text, one per stream."""
    gaps: "array[float]" = field(default_factory=lambda: array("d"))
    """Seconds between two reads with text of a stream. Texts in one read make one gap, not several of zero length."""


class Stream:
    """One request on its connection, and the state of its answer."""

    __slots__ = ("events", "head", "last", "length", "opening", "saw_done", "sent_at", "sock", "tail", "texts")

    def __init__(self, sock: socket.socket, opening: int, texts: int) -> None:
        """`opening` is the number of events before the first text, `texts` the maximum number of texts."""
        self.sock, self.opening, self.texts = sock, opening, texts

    def send(self, request: bytes) -> None:
        """Send a request, and reset the state."""
        self.events = 0
        self.head: bytes | None = b""
        """The head received so far. None: it is complete."""
        self.tail = b""
        self.length: int | None = None
        """Missing bytes of the body. None: the body is chunked, or the head is incomplete."""
        self.saw_done = False
        """Whether `[DONE]` was received."""
        self.last = self.sent_at = time.perf_counter()
        self.sock.sendall(request)

    def receive(self, data: bytes, now: float, timings: Timings) -> bool:
        """Process `data`, read at `now`. Returns whether the answer is complete. Raises `ValueError` for an error."""
        if self.head is not None:
            data = self._receive_head(self.head + data)
            if not data:
                return False
        joined = self.tail + data
        new = joined.count(EVENT_END) - self.tail.count(EVENT_END)
        if new:
            self._time(new, now, timings)
        self.saw_done = self.saw_done or DONE in joined
        if self.length is not None:
            self.length -= len(data)
            return self.length <= 0
        self.tail = joined[-len(DONE) :]
        return joined.endswith(CHUNKED_END)

    def _receive_head(self, data: bytes) -> bytes:
        """Parse the head, if it is complete. Returns the beginning of the body."""
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
        """Record the time of a read that had the end of `new` events."""
        before, self.events = self.events, self.events + new
        first = self.opening
        if before <= first < self.events:
            timings.ttft.append(now - self.sent_at)
            self.last = now
        elif first < before < first + self.texts:  # events after the last text do not count
            timings.gaps.append(now - self.last)
            self.last = now


class Client:
    """Sends the requests of a load to a port, and measures the answers."""

    def __init__(self, port: int, load: Load, *, opening: int = 0, keep_alive: bool = True) -> None:
        self._port, self._load, self._opening, self._keep_alive = port, load, opening, keep_alive
        header = "" if keep_alive else "Connection: close\r\n"
        self._requests = [
            f"POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n{header}"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode()
            + body
            for body in load.bodies()
        ]
        self._started = 0
        self._open: dict[int, Stream] = {}
        self._poll = select.epoll()
        self.timings = Timings()

    def run(self) -> Timings:
        """Send all requests, and return when every answer is complete or has failed."""
        timings, began = self.timings, time.perf_counter()
        try:
            for _ in range(self._load.connections):
                self._begin(None)
            while self._open:
                ready = self._poll.poll(SILENCE_SECONDS)
                if not ready:
                    for _ in self._open:
                        self._fail("incomplete", f"no data for {SILENCE_SECONDS:g} s")
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
        """Send the next request, if any is left, on the connection of `stream`. None: on a new connection."""
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

    def _fail(self, kind: str, reason: str) -> None:
        """Count a failure. `kind` is `errors` or `incomplete`."""
        setattr(self.timings, kind, getattr(self.timings, kind) + 1)
        self.timings.failures[reason] += 1

    def _read(self, stream: Stream) -> None:
        timings = self.timings
        try:
            data = stream.sock.recv(RECEIVE_BYTES)
            complete = bool(data) and stream.receive(data, time.perf_counter(), timings)
        except (OSError, ValueError) as error:
            self._fail("errors", str(error))
        else:
            if data and not complete:
                return
            if not data and stream.head is not None:
                self._fail("errors", "closed without an answer")
            elif not complete:
                self._fail("incomplete", "closed before the end")
            elif self._load.stream and not stream.saw_done:
                self._fail("incomplete", "ended without [DONE]")
            else:
                timings.complete += 1
                if self._keep_alive:
                    self._begin(stream)
                    return
        self._close(stream)
        self._begin(None)
