"""One live request in a web worker: what the engine has sent of it, until its own greenlet takes it."""

import logging
from array import array
from collections import defaultdict
from collections.abc import Callable

import msgspec
from gevent.event import Event

from schemas import wire
from schemas.errors import ApiError
from webapp.connection.chunk_writer import ChunkWriter

log = logging.getLogger("hearth.reply")

MAX_WAITING = 8192
"""Items that may wait for one slow client; past that the request ends, so that memory has a bound."""

Item = wire.Delta | ApiError


class HungUp(Exception):
    """The HTTP client has gone; nobody waits for the answer."""


class Reply:
    """One live request: a bounded queue that the receiving greenlet fills and the request's own greenlet empties.

    It remembers which token ids have come, so that another engine can go on where one was lost (`resumption`).
    """

    def __init__(self, generate: wire.Generate, release: Callable[["Reply"], None]) -> None:
        """`release` is called when nothing more is wanted, perhaps more than once."""
        self.generate = generate
        self.id = generate.id
        """The id that the engine knows the request by: another one each time that it is resumed."""
        self.fingerprint = ""
        """Of the model that the request was first sent to."""
        self.instance = ""
        """The engine that it was last sent to."""
        self.losses = 0
        """How many engines have ended while they had it."""
        self.accepted: wire.Accepted | None = None
        """What the first engine said when it accepted the request; None: none has yet."""
        self._release = release
        self._waiting: list[Item] = []
        self._event = Event()
        self._asleep = False
        """The request's greenlet waits for more."""
        self.writer: ChunkWriter | None = None
        """Writes deltas, if it can, while the request's greenlet sleeps."""
        self._hung_up = False
        self._sent: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        self._ended: list[int] = []

    @property
    def finished(self) -> bool:
        """All choices have ended, and the request's greenlet has taken them."""
        return self.complete and not self._waiting

    @property
    def complete(self) -> bool:
        """All choices have come to their end, whether taken or still waiting."""
        return len(self._ended) == self.generate.choices

    @property
    def begun(self) -> bool:
        """The client may have a part of the answer."""
        return bool(self._sent or self._ended)

    def resumption(self, request_id: int) -> wire.Generate:
        """The request for another engine, less what has come of its answer. Under a new id: late words about the old
        one must not be taken for words about this.
        """
        self.id = request_id
        ended = set(self._ended)
        sent = {index: ids.tolist() for index, ids in self._sent.items() if index not in ended}
        return msgspec.structs.replace(self.generate, id=request_id, sent=sent, ended=self._ended, resumed=True)

    def wait(self, timeout: float) -> None:
        """Until there is a delta, but no longer than `timeout` seconds after which an engine has accepted the request.

        Raises `ApiError` where nothing but a failure has come, and `HungUp`.
        """
        while not self._waiting:
            self._sleep(timeout)
            if self.accepted is not None:
                break
        if self._waiting and isinstance(self._waiting[0], ApiError):
            raise self._waiting.pop(0)  # type: ignore[misc]

    def deltas(self, timeout: float | None = None) -> list[wire.Delta]:
        """All deltas that are waiting; waits for the first, at most `timeout` seconds, and then returns none.

        Raises `ApiError` where the request has failed, after the deltas before that, and `HungUp`.
        """
        if not self._waiting:
            self._sleep(timeout)
        items, self._waiting = self._waiting, []
        if items and isinstance(items[-1], ApiError):
            error = items.pop()
            if not items:
                raise error  # type: ignore[misc]
            self._waiting = [error]
        return items  # type: ignore[return-value]

    def hang_up(self) -> None:
        """The HTTP client has gone: abort, and wake whoever waits."""
        self._hung_up = True
        self.close()
        self._event.set()

    def time_out(self, seconds: float) -> None:
        """The request has had its `seconds`: abort, and say so after what has come."""
        self.close()
        message = f"The request was not done within {seconds:g} s. Ask for less, or allow more time."
        self.fail(ApiError(504, message, type="server_error", code="request_timeout"))

    def close(self) -> None:
        """No more is wanted; what is still being generated is aborted. May be called twice."""
        self._release(self)

    # ---- from the receiving greenlet -------------------------------------------------------------------------------

    def accept(self, accepted: wire.Accepted) -> None:
        """Only the first engine's is news, and nobody is woken for it: what makes a difference follows it."""
        if self.accepted is None:
            self.accepted = accepted

    def put(self, delta: wire.Delta) -> None:
        """Queue it. `deliver` follows, when all that has come for this request is queued."""
        if len(self._waiting) >= MAX_WAITING:
            self.close()
            self.fail(ApiError(503, "The client reads too slowly.", type="server_error", code="slow_reader"))
            return
        if delta.finish_reason is not None:
            self._ended.append(delta.index)
        elif self.generate.stream:
            self._sent[delta.index].extend(delta.token_ids)
        self._waiting.append(delta)

    def deliver(self) -> None:
        """Have what waits written, or wake who writes it."""
        writer = self.writer
        if self._asleep and writer is not None and writer.ready and all(map(_is_text, self._waiting)):
            try:
                writer.write(self._waiting)  # type: ignore[arg-type]
            except Exception:  # whatever it is, it is raised again where it ends this request alone
                log.exception("%s cannot be written", self.generate.log_name)
                self.writer = None
            else:
                self._waiting = []
                if writer.ready:
                    return
        self._event.set()

    def fail(self, error: ApiError) -> None:
        if not self.complete:
            self._waiting.append(error)
            self._event.set()

    def _sleep(self, timeout: float | None) -> None:
        if not self._hung_up:
            self._event.clear()  # set by what has been taken since without waiting
            self._asleep = True
            try:
                self._event.wait(timeout)
            finally:
                self._asleep = False
        if self._hung_up:
            raise HungUp


def _is_text(item: Item) -> bool:
    """It ends nothing, and so nothing but its text follows from it."""
    return isinstance(item, wire.Delta) and item.finish_reason is None
