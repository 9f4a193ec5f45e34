"""What a job of this API stores: its request, and the records of its log.

A record holds the wire's deltas, not events. The events of a stream follow from the request and the records alone, so
whoever renders them, in whatever worker, gets the same events with the same numbers (`rendering.py`).
"""

from typing import Any

import msgspec

from schemas.errors import ApiError, invalid
from schemas.wire import Accepted, Delta, Generate, weight
from webapp.answering.keeping import Keeping

AT_ONCE = 2000
"""After so many deltas and log probabilities that are rendered or restored other greenlets run."""


class Problem(msgspec.Struct, omit_defaults=True):
    """An `ApiError`, as a log has it."""

    status: int
    message: str
    type: str = "invalid_request_error"
    code: str | None = None
    param: str | None = None
    retry_after: int | None = None
    final: bool = False

    @classmethod
    def of(cls, error: ApiError) -> "Problem":
        return cls(**{name: getattr(error, name) for name in cls.__struct_fields__})

    def error(self) -> ApiError:
        given = msgspec.structs.asdict(self)
        return ApiError(given.pop("status"), given.pop("message"), **given)


class End(msgspec.Struct, omit_defaults=True):
    """How a job ended: the last record of its log has it."""

    state: str
    at: int
    """In Unix seconds."""
    problem: Problem | None = None


class Record(msgspec.Struct, omit_defaults=True):
    """One entry of a log: what the engine sent in about a tenth of a second."""

    accepted: Accepted | None = None
    deltas: list[Delta] = []
    end: End | None = None
    tokens: int = 0
    """How many the job has generated, those of this record included. 0: an earlier release has not counted them."""


class Progress(msgspec.Struct):
    """What is read of a job's last record to see how far it is."""

    tokens: int = 0


def cost(record: Record) -> int:
    """Return how many deltas and log probabilities a record has: so long takes it to render."""
    return sum(1 + weight(delta) for delta in record.deltas)


class Work(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The request of a job, as it was when it was valid: what the engine is sent, and what its reply is made with."""

    generate: Generate
    api: str
    """The key of `rendering.SHAPES`."""
    model: str
    created: int
    options: dict[str, Any]
    """The arguments of the shape that depend on the request."""
    fingerprint: str
    """That of the model."""
    seconds: float
    """How long a worker may work on it."""
    path: str
    """The route that took it, and the name of its key: for the log line."""
    key: str = "-"
    include_usage: bool = False
    background: bool = False
    """Whether it is worked on though nobody reads."""
    streamed: bool = True
    """Whether the client has asked for a stream."""
    echoed: dict[str, Any] = {}
    conversation: str | None = None
    """Both are for a response: what its object repeats of the request."""
    keeping: Keeping | None = None
    """What to store when it is complete."""


def encode_work(work: Work) -> bytes:
    """Return `work` for the database. Raises `ApiError` (400) if it has a value that cannot be stored."""
    try:
        return msgspec.msgpack.encode(work)
    except (OverflowError, RecursionError) as error:  # from tool calls, which are not validated
        raise invalid(f"The request cannot be stored: {error}.") from None


_WORK, _RECORD = msgspec.msgpack.Decoder(Work), msgspec.msgpack.Decoder(Record)
decode_work = _WORK.decode
decode_record = _RECORD.decode
encode_record = msgspec.msgpack.encode
