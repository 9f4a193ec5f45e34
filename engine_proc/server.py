"""The engine's half of the conversation: what comes in on the ROUTER, and what goes back."""

import asyncio
import logging
import os
import time
import uuid
from collections import defaultdict
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from engine_proc.live import Choice, LiveRequest, LiveTable
from engine_proc.loading import LoadClock
from schemas import wire
from schemas.errors import ApiError, invalid, overloaded, unavailable

if TYPE_CHECKING:  # these import vllm, which takes seconds: the server answers before that
    from engine_proc.engine import Engine, Output
    from engine_proc.rendering import Rendering
    from engine_proc.sampling import SamplingRules

log = logging.getLogger("hearth.server")

Send = Callable[[bytes, bytes], bool]


class Server:
    """Answers web workers from the first moment; generates once `attach` has given it a loaded engine."""

    def __init__(self, clock: LoadClock, load_count: int, max_queue: int) -> None:
        self.send: Send = lambda identity, payload: False
        self.clock = clock
        self.live = LiveTable()
        self.max_queue = max_queue
        self.engine: Engine | None = None
        self.rendering: Rendering | None = None
        self.rules: SamplingRules | None = None
        self.welcome = wire.Welcome(
            major=wire.MAJOR,
            minor=wire.MINOR,
            instance=uuid.uuid4().hex,
            pid=os.getpid(),
            load_count=load_count,
            started=int(time.time()),
            max_queue=max_queue,
        )
        self.last_heard: dict[bytes, float] = {}
        self._aborts: set[asyncio.Task[None]] = set()

    def attach(self, engine: "Engine", rendering: "Rendering", rules: "SamplingRules") -> None:
        """The model is loaded, and `welcome` says which: from now on requests are served."""
        self.rendering, self.rules, self.engine = rendering, rules, engine

    # ---- in ----------------------------------------------------------------------------------------------------

    def on_message(self, client: bytes, payload: bytes) -> None:
        """Called by the ROUTER for each message. Never raises: a bad message costs its sender alone."""
        try:
            message = wire.decode_to_engine(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("ignored a message that is not of this protocol: %s", error)
            return
        self.last_heard[client] = time.monotonic()
        match message:
            case wire.Generate():
                self._on_generate(client, message)
            case wire.Abort():
                for request_id in message.ids:
                    self._drop(self.live.remove(client, request_id))
            case wire.Ping():
                self._reply(client, self._pong())
            case wire.Hello():
                conflict = wire.version_conflict(message)
                self.welcome.load = self.clock.load()
                self._reply(client, wire.Refused(message=conflict) if conflict else self.welcome)

    def _on_generate(self, client: bytes, generate: wire.Generate) -> None:
        sequences = generate.choices
        request = LiveRequest(client, generate.id, generate.name, generate.user, sequences, open=sequences)
        try:
            self._admit(sequences)
        except ApiError as error:
            self._fail(request, error)
            return
        if not self.live.add(request):
            log.warning("ignored request %s: its id is already live", generate.name)
            return
        request.task = asyncio.create_task(self._start(request, generate))

    def _admit(self, sequences: int) -> None:
        if self.engine is None:
            raise unavailable("The model is being loaded.", "engine_loading")
        if sequences > self.max_queue:
            raise invalid(f"n times the number of prompts is {sequences}; at most {self.max_queue} are taken.", "n")
        if self.live.sequences + sequences > self.max_queue:
            raise overloaded(self.max_queue)

    async def _start(self, request: LiveRequest, generate: wire.Generate) -> None:
        """Render, check and start every choice. All or none: nothing is generated before `Accepted` has left."""
        assert self.engine is not None and self.rendering is not None and self.rules is not None
        try:
            inputs = await self.rendering.render(generate)
            lengths = [len(prompt["prompt_token_ids"]) for prompt in inputs]
            prepared = [
                self.engine.prepare(prompt, self.rules.params(generate.sampling, length, choice))
                for prompt, length in zip(inputs, lengths, strict=True)
                for choice in range(generate.n)
            ]
            if request not in self.live:
                return  # aborted while it was rendered
            log.info("%s accepted: %d tokens in, user %r", request.name, sum(lengths), request.user)
            self._reply(request.client, wire.Accepted(id=request.id, prompt_tokens=sum(lengths)))
            for index, sequence in enumerate(prepared):
                if request not in self.live:
                    break
                request.keys.append(await self.engine.submit(Choice(request, index), sequence, stream=generate.stream))
        except Exception as error:
            self.live.remove(request.client, request.id)
            self._fail(request, self._as_api_error(request, error))
        finally:
            request.task = None
            if request not in self.live:
                self._drop(request)

    @staticmethod
    def _as_api_error(request: LiveRequest, error: Exception) -> ApiError:
        if isinstance(error, ApiError):
            return error
        log.exception("%s failed", request.name, exc_info=error)
        return ApiError(500, "The engine could not start this request.", type="server_error", code="internal_error")

    # ---- out ---------------------------------------------------------------------------------------------------

    async def pump(self) -> None:
        """Carry engine steps to the web workers until the engine is gone. Raises `EngineGone`."""
        assert self.engine is not None
        while True:
            outputs = await self.engine.step()
            for client, batch in self._sort(outputs).items():
                if not self.send(client, wire.encode(wire.Deltas(batch=batch))):
                    self.forget(client, "it cannot be reached")

    def _sort(self, outputs: "list[Output]") -> dict[bytes, list[wire.Delta]]:
        batches: dict[bytes, list[wire.Delta]] = defaultdict(list)
        for output in outputs:
            choice: Choice = output.tag
            request = choice.request
            batches[request.client].append(
                wire.Delta(
                    request.id,
                    choice.index,
                    output.text,
                    output.token_ids,
                    output.finish_reason,
                    output.stop_reason,
                    output.logprobs,
                )
            )
            if output.finish_reason is not None:
                request.open -= 1
                if request.open == 0:
                    self.live.remove(request.client, request.id)
        return batches

    def _pong(self) -> wire.Pong:
        pong = wire.Pong(instance=self.welcome.instance, load=self.clock.load(), live=len(self.live))
        if self.engine is not None:
            stats = self.engine.stats
            pong.running, pong.waiting, pong.kv_cache_usage = stats.running, stats.waiting, stats.kv_cache_usage
        return pong

    def _fail(self, request: LiveRequest, error: ApiError) -> None:
        self._reply(
            request.client,
            wire.Failed(
                id=request.id,
                status=error.status,
                message=error.message,
                type=error.type,
                code=error.code,
                param=error.param,
                retry_after=error.retry_after,
            ),
        )

    def _reply(self, client: bytes, message: wire.Message) -> None:
        if not self.send(client, wire.encode(message)):
            self.forget(client, "it cannot be reached")

    # ---- endings -----------------------------------------------------------------------------------------------

    def forget_silent_clients(self) -> None:
        """Abort what belongs to web workers that have not been heard of for `CLIENT_SILENCE_LIMIT`."""
        limit = time.monotonic() - wire.CLIENT_SILENCE_LIMIT
        for client in [client for client, heard in self.last_heard.items() if heard < limit]:
            self.forget(client, "it has fallen silent")

    def forget(self, client: bytes, why: str) -> None:
        """Abort all requests of a web worker."""
        self.last_heard.pop(client, None)
        requests = self.live.of_client(client)
        if requests:
            log.warning("aborting %d requests of web worker %s: %s", len(requests), client.hex(), why)
        for request in requests:
            self._drop(self.live.remove(client, request.id))

    def fail_all(self, error: ApiError) -> None:
        """End every live request with `error`: the engine is going down."""
        for request in self.live:
            self.live.remove(request.client, request.id)
            self._fail(request, error)

    def _drop(self, request: LiveRequest | None) -> None:
        """Stop the work on a request that is no longer in the table. One still being started stops itself."""
        if request is None or request.task is not None or not request.keys or self.engine is None:
            return
        task = asyncio.create_task(self.engine.abort(request.keys))
        self._aborts.add(task)
        task.add_done_callback(self._aborts.discard)
