"""Stream a reply as server-sent events: the hot path from the engine's deltas to the socket."""

from collections.abc import Callable, Iterator

from schemas.errors import ApiError
from schemas.replies.shape import Shape
from webapp.connection.chunk_writer import ChunkWriter
from webapp.connection.line_ends import line_safe
from webapp.connection.yielding import in_turns
from webapp.engine.reply import HungUp, Reply

OnComplete = Callable[[Shape], str | None]

SENT, CLIENT_DISCONNECTED, FAILED = 200, 499, 500
"""The statuses of a stream: sent to its end, cut off by the client (nginx's number), and broken by an exception."""

PING_SECONDS = 15.0
"""After so many seconds without an event a ping is sent, so that no proxy closes the connection."""
HEADERS_SECONDS = 5.0
"""How long the headers of a stream wait for its first text, or for a refusal, which is then a status of its own."""
HEADERS = [
    ("Content-Type", "text/event-stream; charset=utf-8"),
    ("Cache-Control", "no-cache"),
    ("X-Accel-Buffering", "no"),
]


def events(
    reply: Reply,
    shape: Shape,
    *,
    include_usage: bool,
    on_text: Callable[[], None],
    on_end: Callable[[int], None],
    writer: ChunkWriter,
    on_complete: OnComplete | None = None,
) -> Iterator[bytes]:
    """Yield the stream's bytes, one item per write: all queued deltas together, in items of about `MOST_BYTES`. Call
    `on_text` before they are written.

    Before the last write, `on_complete` gets `shape` with the content of its first choice, and may return a warning for
    the client. An error becomes an event that ends the stream, without `[DONE]`. After the first item, `writer` may
    write deltas between two items.

    `on_end` gets the status that the request would have had if its headers had not been sent yet: 200 once the last
    item has been written, an error's own, or 499. It is not called where the iterator is closed early: 499 too.
    """
    opening: bytes | None = None  # made once the engine has accepted the request, which it may do late
    timeout = 0.0  # the caller has waited: the headers go out now
    try:
        while not reply.consumed:
            deltas = reply.deltas(timeout)
            shape.accept(reply.accepted)
            timeout = PING_SECONDS
            writer.flush()
            if not deltas:
                if not reply.ping_due and writer.silence() < PING_SECONDS:
                    timeout = PING_SECONDS - writer.silence()
                else:
                    reply.ping_due = False
                    yield shape.ping
                continue
            on_text()
            if opening is None:
                opening = shape.opening_chunks()
            chunks = writer.events(deltas)
            if reply.consumed:
                if on_complete is not None:
                    shape.warn(on_complete(shape))
                chunks += shape.closing_pieces(include_usage=include_usage)
            yield from in_turns([opening, *chunks], line_safe)
            opening = b""
            reply.writer = writer
        on_end(SENT)
    except ApiError as error:
        on_end(error.status)
        writer.flush()
        if opening is None:
            opening = shape.opening_chunks() if shape.fails_after_opening else b""
        yield from in_turns([opening, *shape.error_pieces(error.rename(shape.engine_names))], line_safe)
    except HungUp:
        on_end(CLIENT_DISCONNECTED)
    except OSError:  # from `flush`: the client is gone
        on_end(CLIENT_DISCONNECTED)
        raise
    except Exception:
        on_end(FAILED)
        raise
