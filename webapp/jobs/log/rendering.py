"""A job's reply, made again from its request and its log: the same events with the same numbers, in every worker."""

from collections.abc import Iterable, Iterator
from typing import Any

from schemas.errors import ApiError
from schemas.replies.anthropic.message import MessageShape
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape
from webapp.connection.line_ends import line_safe
from webapp.jobs.job import CANCELLED, COMPLETED, FAILED
from webapp.jobs.log.record import End, Record, Work

SHAPES: dict[str, type[Shape]] = {
    "chat": ChatShape,
    "completion": CompletionShape,
    "message": MessageShape,
    "response": ResponseShape,
}
END_OF_EVENT = b"\n\n"
"""JSON has no line ends of its own."""


def make_shape(work: Work) -> Shape:
    """Return the reply of a job, still empty."""
    shape: Any = SHAPES[work.api]
    first: tuple[Any, ...] = ()
    if work.api == "response":
        first = (work.echoed, work.conversation)
    elif work.api == "message":
        first = (work.generate.sampling.stop,)
    options = {**work.options, "reply_id": work.generate.name, "created": work.created}
    made: Shape = shape(*first, work.model, work.generate.choices, **options)
    return made


def fill(shape: Shape, records: Iterable[Record]) -> End | None:
    """Add `records` to a reply that is shown whole. Returns how the job has ended, None: it has not."""
    end = None
    for record in records:
        if record.accepted is not None:
            shape.accept(record.accepted)
        for delta in record.deltas:
            shape.add(delta)
        if record.end is not None:
            end = record.end
            complete(shape, end)
    return end


def complete(shape: Shape, end: End) -> None:
    """Have the reply say when it was complete."""
    if isinstance(shape, ResponseShape) and end.state == COMPLETED:
        shape.completed_at = end.at


def response_body(work: Work, state: str, records: Iterable[Record]) -> dict[str, Any]:
    """Return the response object of a job that is in `state`."""
    shape = make_shape(work)
    assert isinstance(shape, ResponseShape)
    end = fill(shape, records)
    if end is not None and end.problem is not None:
        return shape.body_in(FAILED, end.problem.error())
    unfinished = end is None or end.state == CANCELLED
    return shape.body_in(state) if unfinished else shape.body()


class Rendering:
    """The events of one job's stream, numbered from 0, each with its number as `id`."""

    def __init__(self, work: Work) -> None:
        self.shape = make_shape(work)
        self.sent = 0
        """How many events there have been."""
        self._include_usage = work.include_usage
        self._background = work.background
        self._opened = False

    def first_events(self) -> list[bytes]:
        """Return the events that precede the first record: those of a response in the background."""
        queued = isinstance(self.shape, ResponseShape) and self._background
        return self._numbered([self.shape.queued_chunks()]) if queued else []  # type: ignore[attr-defined]

    def events(self, record: Record) -> list[bytes]:
        """Return the events of the next record of the log."""
        return self._numbered(list(self._pieces(record)))

    def _pieces(self, record: Record) -> Iterator[bytes]:
        shape, end = self.shape, record.end
        if record.accepted is not None:
            shape.accept(record.accepted)
        failed = end is not None and (end.problem is not None or end.state == CANCELLED)
        if not self._opened and (record.deltas or (failed and shape.fails_after_opening)):
            self._opened = True
            yield shape.opening_chunks()
        for delta in record.deltas:
            yield from shape.chunk_pieces(delta)
        if end is None:
            return
        complete(shape, end)
        if end.problem is not None:
            yield from shape.error_pieces(end.problem.error())
        elif end.state == CANCELLED:
            yield from shape.cancelled_pieces()
        else:
            yield from shape.closing_pieces(include_usage=self._include_usage)

    def _numbered(self, pieces: list[bytes]) -> list[bytes]:
        events = line_safe(b"".join(pieces)).split(END_OF_EVENT)[:-1]
        first, self.sent = self.sent, self.sent + len(events)
        return [b"id: %d\n%b\n\n" % (number, event) for number, event in enumerate(events, first)]


def refusal(record: Record) -> ApiError | None:
    """Return the error of a job that has failed before anything was generated, as the first record of its log says."""
    end = record.end
    return end.problem.error() if end is not None and end.problem is not None and not record.deltas else None
