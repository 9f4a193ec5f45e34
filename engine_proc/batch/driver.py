"""The in-process counterpart of the web tier: jobs go to the `Server` as wire messages, and results come back."""

import asyncio
import itertools
from dataclasses import dataclass

from engine_proc.batch.files import Results
from engine_proc.batch.lines import Job, answered, refused
from engine_proc.batch.progress import Tally
from engine_proc.serving.server import Server
from schemas import wire
from schemas.errors import ApiError
from schemas.replies.shape import Shape

CLIENT = b"batch"
DOUBT_SECONDS = 1.0
"""How long a failure of the engine's own is held back: where the engine is found dead by then, it was no answer."""


@dataclass(slots=True)
class _Live:
    job: Job
    shape: Shape
    sequences: int
    open: int
    """Choices that have not ended."""


class Driver:
    """Keeps at most `limit` sequences in flight (a job that has more goes alone)."""

    def __init__(self, server: Server, limit: int, results: Results, tally: Tally) -> None:
        self._server = server
        self._limit = limit
        self._results = results
        self._tally = tally
        self._ids = itertools.count(1)
        self._live: dict[int, _Live] = {}
        self._sequences = 0
        self._ended = asyncio.Event()
        server.send = self._receive

    async def submit(self, job: Job) -> None:
        """Returns when the job is in flight."""
        params = job.request.params
        sequences = params.candidates * len(params.prompts or (None,))
        while self._live and self._sequences + sequences > self._limit:
            await self._one_ends()
        welcome = self._server.welcome
        adapter = welcome.adapter_named(job.request.model)
        shape = job.shape_class(
            adapter or welcome.served_names[0],
            params.choices,
            fingerprint=welcome.system_fingerprint,
            **job.request.shape_options(),
        )
        message = params.message(id=next(self._ids), name=shape.id, adapter=adapter)
        self._live[message.id] = _Live(job, shape, sequences, params.choices)
        self._sequences += sequences
        self._server.on_message(CLIENT, wire.encode(message))
        await asyncio.sleep(0)  # let it start before the next line is read

    async def idle(self) -> None:
        """Wait until every job has its result."""
        while self._live:
            await self._one_ends()

    async def _one_ends(self) -> None:
        self._ended.clear()
        await self._ended.wait()

    def _receive(self, client: bytes, payload: bytes) -> None:
        match wire.decode_to_web(payload):
            case wire.Deltas(batch=batch):
                for delta in batch:
                    self._add(delta)
            case wire.Accepted() as accepted:
                self._live[accepted.id].shape.accept(accepted)
            case wire.Failed() as failed:
                if failed.status < 500:
                    self._fail(failed)
                else:
                    asyncio.get_running_loop().call_later(DOUBT_SECONDS, self._fail, failed)

    def _add(self, delta: wire.Delta) -> None:
        live = self._live[delta.id]
        live.shape.add(delta)
        if delta.finish_reason is not None:
            live.open -= 1
            if live.open == 0:
                self._tally.answered += 1
                self._tally.prompt_tokens += live.shape.prompt_tokens
                self._tally.completion_tokens += live.shape.completion_tokens
                self._end(delta.id, answered(live.job.custom_id, live.shape.id, 200, live.shape.whole()))

    def _fail(self, failed: wire.Failed) -> None:
        live = self._live[failed.id]
        error = ApiError(failed.status, failed.message, type=failed.type, code=failed.code, param=failed.param)
        self._tally.failed += 1
        self._end(failed.id, refused(live.job.custom_id, error, live.shape.id))

    def _end(self, request_id: int, result: bytes) -> None:
        self._sequences -= self._live.pop(request_id).sequences
        self._results.add(result)
        self._ended.set()
