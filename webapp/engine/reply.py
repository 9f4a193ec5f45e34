"""The answer to one live request in a web worker: a queue of deltas from the engine to the request's greenlet."""

import logging
import time
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable

import msgspec
from gevent.event import Event

from schemas import wire
from schemas.errors import ApiError
from webapp.connection.chunk_writer import ChunkWriter
from webapp.connection.yielding import let_others_run
from webapp.engine import shares
from webapp.engine.pace import Pace
from webapp.engine.shares import Item, share
from webapp.engine.suspicion import Suspicion

log = logging.getLogger("hearth.reply")

MAX_QUEUED = 8192
"""The most deltas queued for one slow client. The next one fails the request, so that memory is bounded."""
MOST_WRITTEN, WRITE = 4000, 20
"""Deltas and log probabilities of all streams that are written before other greenlets have their turn, and how many of
them cost as much as a write.
"""


class HungUp(Exception):
    """The HTTP client has closed its connection."""


class Reply:
    """The answer to one live request: a bounded queue that the receiving greenlet fills and the request's own greenlet
    empties.

    Of a streamed request it keeps the token ids received, so that another engine can resume the request (`resumption`).
    """

    def __init__(self, generate: wire.Generate, release: Callable[["Reply"], None], stream_interval: int = 1) -> None:
        """`release` is called when the request is aborted or its answer has been read, perhaps more than once.

        `stream_interval`: tokens of a choice that a stream sends together.
        """
        self.generate = generate
        self.id = generate.id
        """The request's id in the engine. Each resumption gets a new one."""
        self.fingerprint = ""
        """Fingerprint of the model that the request was first sent to."""
        self.instance = ""
        """The engine instance that has the request. Empty: none has."""
        self.suspicion = Suspicion()
        """Whether the request may be what killed the engines that it has lost."""
        self.waiting_since: float | None = None
        """When the request was first stranded, by `time.monotonic()`. None: an engine has worked on it since."""
        self._sent_at = time.monotonic()
        self.accepted: wire.Accepted | None = None
        """What the first engine to accept the request sent. None: no engine has accepted it yet."""
        self._release = release
        self._queue: list[Item] = []
        self._only_text = True
        """Whether no queued delta ends a choice, and nothing has failed."""
        self._behind = False
        """Whether deltas were left in the queue when the request's greenlet last took some."""
        self._parts: dict[int, list[wire.Delta]] = {}
        """By choice: the parts received of a delta whose last part has not arrived (`Delta.more`)."""
        self._pace = Pace(stream_interval) if stream_interval > 1 and generate.stream else None
        """None: each delta is sent at once."""
        self._event = Event()
        self._asleep = False
        """Whether the request's greenlet waits for deltas."""
        self.writer: ChunkWriter | None = None
        """Writes deltas to the client, if it can, without waking the request's greenlet. None: it has no writer."""
        self.ping_due = False
        """Whether the stream must write a ping now."""
        self._hung_up = False
        self._sent: defaultdict[int, array[int]] = defaultdict(lambda: array("I"))
        """Token ids received of each choice; empty for a request that is not streamed."""
        self._ended: list[int] = []
        """Choices that have ended, in this order."""

    @property
    def finished(self) -> bool:
        """Whether all choices have ended. Their deltas may still be queued."""
        return len(self._ended) == self.generate.choices

    @property
    def consumed(self) -> bool:
        """Whether the request has finished and its greenlet has taken all deltas."""
        return self.finished and not self._queue

    @property
    def behind(self) -> bool:
        """Whether deltas were left in the queue when some were last taken."""
        return self._behind

    @property
    def begun(self) -> bool:
        """Whether the client may have a part of the answer."""
        return bool(self._sent or self._ended)

    def restore(self, deltas: Iterable[wire.Delta]) -> None:
        """Record what an earlier worker has received of the request, so that an engine goes on after it."""
        for delta in deltas:
            self._add(delta)
        self._queue = []
        self._only_text = True

    def resumption(self, request_id: int) -> wire.Generate:
        """Return the message that resumes the request on another engine: the request, and what the client already has.
        A delta of which only parts have arrived is forgotten.

        Its id becomes `request_id`, a new one, so that late messages about the old id are ignored.
        """
        self.id = request_id
        self._parts.clear()
        ended = set(self._ended)
        sent = {index: ids.tolist() for index, ids in self._sent.items() if index not in ended}
        self.suspicion.testing = None
        return msgspec.structs.replace(
            self.generate,
            id=request_id,
            sent=sent,
            ended=self._ended,
            resumed=True,
            age=time.monotonic() - self._sent_at,
            **self.suspicion.wire_fields(),
        )

    def hand_back(self) -> None:
        """Record that its engine no longer has the request, for a reason that is not the request's."""
        self.instance = ""
        self.suspicion.testing = None

    def wait(self, timeout: float) -> None:
        """Wait until a delta is queued, or until `timeout` seconds have passed.

        Raises `ApiError` if the request has failed and no delta precedes the error; raises `HungUp`.
        """
        if not self._queue:
            self._sleep(timeout)
        if self._queue and isinstance(self._queue[0], ApiError):
            raise self._queue.pop(0)  # type: ignore[misc]

    def deltas(self, timeout: float | None = None) -> list[wire.Delta]:
        """Return the queued deltas, at most one turn's `share`: the worker's other requests get theirs before the rest.

        If there are none, wait for one; after `timeout` seconds return an empty list.

        Raises `ApiError` if the request has failed, once the deltas before the error have been taken; raises `HungUp`.
        """
        if not self._queue or self._held_back():
            self._sleep(timeout)
        elif self._behind:
            let_others_run()
        most, _ = share(self._queue)
        items, self._queue = self._queue[:most], self._queue[most:]
        self._behind = bool(self._queue)
        self._only_text = not self._behind
        if self._pace is not None:
            self._pace.sent()
        if items and isinstance(items[-1], ApiError):
            error = items.pop()
            if not items:
                raise error  # type: ignore[misc]
            self._queue = [error]
            self._only_text = False
        return items  # type: ignore[return-value]

    def ask_for_ping(self) -> None:
        """Wake the request's greenlet to write something: only a write shows whether the client is gone."""
        self.ping_due = True
        self._event.set()

    def hang_up(self) -> None:
        """Abort the request, because its client has closed the connection, and raise `HungUp` in its greenlet."""
        self._hung_up = True
        self.close()
        self._wake()

    def time_out(self, seconds: float) -> None:
        """Abort the request after its `seconds` seconds, and queue the error after the deltas received."""
        self.close()
        message = f"The request did not finish within {seconds:g} s. Ask for less, or allow more time."
        self.fail(ApiError(504, message, type="server_error", code="request_timeout"))

    def close(self) -> None:
        """Abort the request unless it has finished. May be called twice."""
        self._release(self)

    # ---- called by the receiving greenlet --------------------------------------------------------------------------

    def accept(self, accepted: wire.Accepted) -> None:
        """Record that an engine has accepted the request. The prompt's tokens are those of the first engine. Wakes no
        greenlet: a delta or an error follows.
        """
        if self.accepted is None:
            self.accepted = accepted
        if not self.suspicion:
            self.waiting_since = None

    def clear(self) -> None:
        """Record that the request has passed its test: it is as good as one that has lost no engine."""
        self.suspicion.clear()
        self.waiting_since = None

    def put(self, delta: wire.Delta) -> None:
        """Queue `delta`; a part of a delta with its last one. Call `deliver` when all deltas received for this request
        are queued.
        """
        if delta.more:
            self._parts.setdefault(delta.index, []).append(delta)
            return
        if len(self._queue) >= MAX_QUEUED:
            self.close()
            self.fail(ApiError(503, "The client reads the stream too slowly.", type="server_error", code="slow_reader"))
            return
        if self._parts or delta.logprobs or delta.prompt_logprobs or delta.vector:
            for part in (*self._parts.pop(delta.index, ()), *wire.split(delta, shares.MOST_LOGPROBS)):
                self._add(part)
        else:
            self._add(delta)

    def _add(self, delta: wire.Delta) -> None:
        if delta.finish_reason is not None:
            self._ended.append(delta.index)
            self._only_text = False
        elif self.generate.stream:
            self._sent[delta.index].extend(delta.token_ids)
        self._queue.append(delta)
        if self._pace is not None:
            self._pace.add(delta)

    def deliver(self) -> int:
        """Write the queued deltas with `writer`, or wake the request's greenlet to do it. Returns what it cost, as
        `MOST_WRITTEN` counts.

        What is too much for one turn of the hub is left to the greenlet: the receiving one has other requests' deltas.
        """
        if not self._queue or not self._asleep or self._held_back():
            return 0
        writer, written = self.writer, 0
        fit, cost = share(self._queue)
        if self._only_text and writer is not None and writer.ready and fit == len(self._queue):
            try:
                writer.write(self._queue)  # type: ignore[arg-type]
            except Exception:  # the greenlet, woken below, raises it again, and only this request fails
                log.exception("%s cannot be written", self.generate.log_name)
                self.writer = None
            else:
                written = WRITE + cost
                self._queue = []
                if self._pace is not None:
                    self._pace.sent()
                if writer.ready:
                    return written
        self._event.set()
        return written

    def fail(self, error: ApiError) -> None:
        """Queue `error` as the end of the request, unless the request has finished."""
        if not self.finished:
            self._queue.append(error)
            self._only_text = False
            self._wake()

    def _held_back(self) -> bool:
        """Return whether the queued deltas wait for more."""
        return self._pace is not None and self._only_text and not self._pace.due

    def _wake(self) -> None:
        if self._asleep:
            self._event.set()

    def _sleep(self, timeout: float | None) -> None:
        if not self._hung_up:
            self._event.clear()
            self._asleep = True
            try:
                self._event.wait(timeout)
            finally:
                self._asleep = False
        if self._hung_up:
            raise HungUp


def deliver_all(replies: Iterable[Reply]) -> None:
    """Deliver what is queued for `replies`, over several turns of the hub where that is much."""
    written = 0
    for reply in replies:
        written += reply.deliver()
        if written > MOST_WRITTEN:
            let_others_run(in_line=False)
            written = 0
