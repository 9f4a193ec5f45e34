"""Sends deltas to the web workers, and ends each request with its last one."""

import asyncio
import logging
from collections.abc import Callable, Iterator

from engine_proc.answering.live import LiveRequest, LiveTable
from engine_proc.serving.clients import Clients
from engine_proc.serving.failures import internal_error
from schemas import wire

log = logging.getLogger("hearth.outbox")

MOST_LOGPROBS = 2000
"""Log probabilities, those of alternatives included, after which a message is full: a millisecond's encoding."""


class Outbox:
    """Sends the deltas of live requests."""

    def __init__(
        self,
        live: LiveTable,
        clients: Clients,
        on_finish: Callable[[LiveRequest], None],
        abort: Callable[[LiveRequest | None], None],
    ) -> None:
        """`on_finish` is called with each request that has ended; `abort` with one whose delta cannot be sent."""
        self._live = live
        self._clients = clients
        self._on_finish = on_finish
        self._abort = abort

    async def send(self, client: bytes, deltas: list[wire.Delta]) -> None:
        """Send `deltas`, and remove the requests that end with them.

        Many log probabilities are sent in several messages, each in a turn of the loop of its own: the answers of 128
        choices may end in one step. A request is live until its last delta is sent, so that no ping finds it missing.
        """
        for number, batch in enumerate(_messages(deltas, split=self._clients.joins_parts(client))):
            if number:
                await asyncio.sleep(0)
            try:
                self._clients.reply(client, wire.Deltas(batch=batch))
            except (UnicodeEncodeError, OverflowError):  # one of them cannot be encoded
                for delta in batch:
                    self._send_alone(client, delta)
            self._count(client, batch)
            for delta in batch:
                _forget_logprobs(delta)

    def _send_alone(self, client: bytes, delta: wire.Delta) -> None:
        """Send one delta, or fail its request if it cannot be encoded."""
        try:
            self._clients.reply(client, wire.Deltas(batch=[delta]))
        except (UnicodeEncodeError, OverflowError):
            log.exception("request %d of web worker %s has a delta that cannot be encoded", delta.id, client.hex())
            self._abort(self._live.remove(client, delta.id))
            self._clients.fail(client, delta.id, internal_error("The engine"))

    def _count(self, client: bytes, deltas: list[wire.Delta]) -> None:
        """Count the choices that end with `deltas`, and remove the requests that have no other."""
        for delta in deltas:
            if delta.finish_reason is None or (request := self._live.get(client, delta.id)) is None:
                continue
            request.open -= 1
            if request.open == 0:
                self._live.remove(client, request.id)
                self._on_finish(request)


def _forget_logprobs(delta: wire.Delta) -> None:
    """To free those of many choices at once, when the step is over, would take as long as to encode them."""
    delta.logprobs = delta.prompt_logprobs = None


def _messages(deltas: list[wire.Delta], *, split: bool) -> Iterator[list[wire.Delta]]:
    """Yield the deltas in batches of about `MOST_LOGPROBS`. `split`: a delta with more than that is divided."""
    batch: list[wire.Delta] = []
    logprobs = 0
    for delta in deltas:
        if not wire.weight(delta):
            batch.append(delta)
            continue
        part = delta
        for part in wire.split(delta, MOST_LOGPROBS) if split else (delta,):
            batch.append(part)
            logprobs += wire.weight(part)
            if logprobs >= MOST_LOGPROBS:
                yield batch
                batch, logprobs = [], 0
        if part is not delta:
            _forget_logprobs(delta)  # its parts have them
    if batch:
        yield batch
