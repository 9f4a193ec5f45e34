"""The in-process counterpart of the web tier: send jobs to the `Server` as wire messages, and receive the answers."""

import asyncio
import itertools
from dataclasses import dataclass

from engine_proc.batch.files import Results
from engine_proc.batch.lines import Job
from engine_proc.batch.progress import Tally
from engine_proc.serving.server import Server
from schemas import wire
from schemas.errors import ApiError
from schemas.replies.batches.results import answered, refused
from schemas.replies.shape import Shape

CLIENT = b"batch"
FAILURE_DELAY = 1.0
"""Seconds before a 5xx error becomes a result. If the engine is found dead by then, the job gets no result."""


@dataclass(slots=True)
class _LiveJob:
    job: Job
    shape: Shape
    """Collects the answer."""
    sequences: int
    """How many sequences the job counts for."""
    open: int
    """Choices that have not finished."""


class Driver:
    """Keeps at most `limit` sequences in flight. A job of more sequences runs alone."""

    def __init__(self, server: Server, limit: int, results: Results, tally: Tally) -> None:
        self._server = server
        self._limit = limit
        self._results = results
        self._tally = tally
        self._ids = itertools.count(1)
        self._live: dict[int, _LiveJob] = {}
        self._sequences = 0
        self._finished = asyncio.Event()
        """Set when a job has its result."""
        server.clients.send = self._receive

    async def submit(self, job: Job) -> None:
        """Start a job, as soon as the limit allows."""
        params = job.request.params
        sequences = params.candidates * len(params.prompts or (None,))
        while self._live and self._sequences + sequences > self._limit:
            await self._wait_for_a_result()
        welcome = self._server.welcome
        adapter = welcome.adapter_named(job.request.model)
        shape = job.shape_class(
            adapter or welcome.served_names[0],
            params.choices,
            fingerprint=welcome.system_fingerprint,
            **job.request.shape_options(),
        )
        message = params.message(id=next(self._ids), name=shape.id, adapter=adapter)
        self._live[message.id] = _LiveJob(job, shape, sequences, params.choices)
        self._sequences += sequences
        self._server.on_message(CLIENT, wire.encode(message))
        await asyncio.sleep(0)  # let the server start the job before the next line is read

    async def idle(self) -> None:
        """Wait until every job has a result."""
        while self._live:
            await self._wait_for_a_result()

    async def _wait_for_a_result(self) -> None:
        self._finished.clear()
        await self._finished.wait()

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
                    asyncio.get_running_loop().call_later(FAILURE_DELAY, self._fail, failed)

    def _add(self, delta: wire.Delta) -> None:
        live = self._live[delta.id]
        live.shape.add(delta)
        if delta.finish_reason is not None:
            live.open -= 1
            if live.open == 0:
                self._tally.answered += 1
                self._tally.prompt_tokens += live.shape.prompt_tokens
                self._tally.completion_tokens += live.shape.completion_tokens
                self._finish(delta.id, answered(live.job.custom_id, live.shape.id, 200, live.shape.whole()))

    def _fail(self, failed: wire.Failed) -> None:
        live = self._live[failed.id]
        error = ApiError(failed.status, failed.message, type=failed.type, code=failed.code, param=failed.param)
        self._tally.failed += 1
        self._finish(failed.id, refused(live.job.custom_id, error, live.shape.id))

    def _finish(self, request_id: int, result: bytes) -> None:
        self._sequences -= self._live.pop(request_id).sequences
        self._results.add(result)
        self._finished.set()
