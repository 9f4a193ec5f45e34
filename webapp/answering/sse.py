"""Stream a reply as server-sent events: the hot path from the engine's deltas to the socket."""

from collections.abc import Callable, Iterator

from schemas.errors import ApiError
from schemas.replies.shape import Shape
from webapp.connection.chunk_writer import ChunkWriter
from webapp.engine.reply import HungUp, Reply

OnComplete = Callable[[Shape], str | None]

PING_SECONDS = 15.0
"""After so many seconds without an event a comment is sent, so that no proxy closes the connection."""
PING = b": ping\n\n"
HEADERS = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def events(
    reply: Reply,
    shape: Shape,
    *,
    include_usage: bool,
    on_text: Callable[[], None],
    writer: ChunkWriter,
    on_complete: OnComplete | None = None,
) -> Iterator[bytes]:
    """Yield the stream's bytes, one item per write: all queued deltas are written together. Call `on_text` before each.

    Before the last write, `on_complete` gets `shape` with the content of its first choice, and may return a warning for
    the client. An error becomes an event that ends the stream, without `[DONE]`. After the first
    item, `writer` may write deltas between two items.
    """
    opening = shape.opening_chunks()
    timeout = PING_SECONDS
    try:
        while not reply.consumed:
            deltas = reply.deltas(timeout)
            timeout = PING_SECONDS
            writer.flush()
            if not deltas:
                if writer.silence() < PING_SECONDS:
                    timeout = PING_SECONDS - writer.silence()
                else:
                    yield PING
                continue
            on_text()
            chunks = b"".join([shape.chunk(delta) for delta in deltas])
            if on_complete is not None:
                for delta in deltas:
                    if delta.index == 0:
                        shape.choices[0].add_content(delta)
                if reply.consumed:
                    shape.warning = on_complete(shape)
            if reply.consumed:
                chunks += shape.closing_chunks(include_usage=include_usage)
            yield opening + chunks
            opening = b""
            reply.writer = writer
    except ApiError as error:
        writer.flush()
        yield shape.error_chunk(error)
    except HungUp:
        pass
