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

from engine_proc.adapter.outputs import EngineGone
from engine_proc.answering.live import LiveRequest, LiveTable
from engine_proc.serving.admission import Admission
from engine_proc.serving.drain import Drain
from engine_proc.serving.load_clock import LoadClock
from schemas import wire
from schemas.errors import ApiError, invalid, unavailable

if TYPE_CHECKING:  # these import vllm, which takes seconds: the server answers before that
    from engine_proc.adapter.engine import Engine
    from engine_proc.answering.beam_search import BeamSearch
    from engine_proc.answering.starting import Starter

log = logging.getLogger("hearth.server")

STOPPING = unavailable("The engine is being stopped.", "engine_stopping")
LOADING = unavailable("The model is being loaded.", "engine_loading")
CONTACT_LOST = unavailable("The engine had lost contact with the web tier.", "contact_lost", 1)
VLLM_ERROR = ApiError(
    500, "vLLM has failed on this request; its log says why.", type="server_error", code="internal_error"
)
Send = Callable[[bytes, bytes], None]


def _no_token_left(field: str) -> ApiError:
    return invalid(f"`{field}` allows no token that the request's white lists do.", field)


class Server:
    """Answers web workers from the first moment; generates once `attach` has given it a loaded engine."""

    def __init__(self, clock: LoadClock, load_count: int, admission: Admission) -> None:
        self.send: Send = lambda identity, payload: None
        self.clock = clock
        self.live = LiveTable()
        self.admission = admission
        self.drain = Drain()
        self.log_requests = False
        """A line for each; the web tier writes one anyway."""
        self.engine: Engine | None = None
        self.starter: Starter | None = None
        self.welcome = wire.Welcome(
            major=wire.MAJOR,
            minor=wire.MINOR,
            instance=uuid.uuid4().hex,
            pid=os.getpid(),
            load_count=load_count,
            started=int(time.time()),
            max_queue=admission.max_queue,
            features=[wire.RESUMES, wire.FRAMES, wire.EXTENDED, wire.METRICS],
        )
        self.last_message_at: dict[bytes, float] = {}
        self._looked_at = time.monotonic()
        self._stepped_at = time.monotonic()
        self._aborts: set[asyncio.Task[None]] = set()

    def attach(self, engine: "Engine", starter: "Starter") -> None:
        """The model is loaded, and `welcome` says which: from now on requests are served."""
        self.starter, self.engine = starter, engine

    def announce(self) -> None:
        """Tell every web worker how the engine stands, so that none finds out a ping later."""
        self.welcome.load = self._load()
        for client in list(self.last_message_at):
            self._reply(client, self.welcome)

    # ---- in ----------------------------------------------------------------------------------------------------

    def on_message(self, client: bytes, payload: bytes) -> None:
        """Called by the ROUTER for each message. Never raises: a bad message costs its sender alone."""
        try:
            message = wire.decode_to_engine(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("ignored a message that is not of this protocol: %s", error)
            return
        self.last_message_at[client] = time.monotonic()
        match message:
            case wire.Generate():
                self._on_generate(client, message, len(payload))
            case wire.Abort():
                for request_id in message.ids:
                    self._abort(self.live.remove(client, request_id))
            case wire.Ping():
                self._fail_unknown(client, message.ids)
                self._reply(client, self._pong())
            case wire.AskStats():
                self._reply(client, self._pong() if self.engine is None else self.engine.figures)
            case wire.AskMetrics():
                self._reply(client, wire.Metrics(text="" if self.engine is None else self.engine.metrics()))
            case wire.Drain():
                self.begin_drain(message.seconds)
                self._reply(client, self._pong())
            case wire.Hello():
                conflict = wire.version_conflict(message)
                self.welcome.load = self._load()
                self._reply(client, wire.Refused(message=conflict) if conflict else self.welcome)

    def _on_generate(self, client: bytes, generate: wire.Generate, size: int) -> None:
        open_choices = generate.choices - len(set(generate.ended))
        request = LiveRequest(
            client, generate.id, generate.log_name, generate.user, 0, tenant=generate.tenant, open=open_choices
        )
        if self.drain.begun or self.engine is None:
            self._fail(request, STOPPING if self.drain.begun else LOADING, resumable=True)
            return
        try:
            request.sequences = self.admission.check(generate, self.live)
        except ApiError as error:
            self._fail(request, error)
            return
        if not self.live.add(request):
            log.warning("ignored request %s: its id is already live", generate.log_name)
            return
        request.task = asyncio.create_task(self._start(request, generate, size))

    def _fail_unknown(self, client: bytes, ids: list[int]) -> None:
        """Tell of each request that is not worked on here, whatever has become of it on its way here or back."""
        for request_id in ids:
            if not self.live.has(client, request_id):
                self._fail(LiveRequest(client, request_id, "", "", 0), CONTACT_LOST, resumable=True)

    async def _start(self, request: LiveRequest, generate: wire.Generate, size: int) -> None:
        """Render, check and start every choice. All or none: nothing is generated before `Accepted` has left."""
        assert self.engine is not None and self.starter is not None
        try:
            plan = await self.starter.plan(request, generate, size)
            if request not in self.live:
                return  # aborted while it was rendered
            if self.log_requests:
                log.info("%s accepted: %d tokens in, user %r", request.name, plan.prompt_tokens, request.user)
            accepted = wire.Accepted(
                id=request.id, prompt_tokens=plan.prompt_tokens, prompt_token_ids=plan.prompt_token_ids
            )
            self._reply(request.client, accepted)
            if plan.deltas:
                self._send_deltas({request.client: self._account(request, plan.deltas)})
            for tag, sequence, sent in plan.sequences:
                if request not in self.live:
                    break
                key = await self.engine.submit(tag, sequence, stream=generate.stream, raw=generate.embed, sent=sent)
                request.keys.append(key)
            request.searches = [asyncio.create_task(self._search(request, search)) for search in plan.searches]
        except EngineGone:
            pass  # `pump` has it too, and then all live requests are handed over
        except Exception as error:
            self._end_with(request, error)
        finally:
            request.task = None
            if request not in self.live:
                self._abort(request)

    async def _search(self, request: LiveRequest, search: "BeamSearch") -> None:
        try:
            deltas = await search.run()
        except EngineGone:
            pass  # as above
        except Exception as error:
            self._end_with(request, error)
            self._abort(request)
        else:
            self._send_deltas({request.client: self._account(request, deltas)})

    def _end_with(self, request: LiveRequest, error: Exception) -> None:
        if self.live.remove(request.client, request.id) is not None:
            self._fail(request, self._as_api_error(request, error))

    @staticmethod
    def _as_api_error(request: LiveRequest, error: Exception) -> ApiError:
        if isinstance(error, ApiError):
            return error
        log.exception("%s failed", request.name, exc_info=error)
        return ApiError(
            500, "The engine failed on this request; its log says why.", type="server_error", code="internal_error"
        )

    # ---- out ---------------------------------------------------------------------------------------------------

    async def pump(self) -> None:
        """Carry engine steps to the web workers until the engine is gone. Raises `EngineGone`."""
        assert self.engine is not None
        while True:
            outputs = await self.engine.step()
            self._stepped_at = time.monotonic()
            batches: dict[bytes, list[wire.Delta]] = defaultdict(list)
            for output in outputs:
                request = output.tag.request
                try:
                    deltas = None if output.finish_reason == "error" else output.tag.receive(output)
                except Exception as error:  # of the model's parser, on what the model has written
                    self._end_with(request, error)
                    self._abort(request)
                    continue
                if deltas is None:
                    self._end_with(request, _no_token_left(request.structure) if request.structure else VLLM_ERROR)
                    self._abort(request)
                else:
                    batches[request.client] += self._account(request, deltas)
            self._send_deltas(batches)

    def _send_deltas(self, batches: dict[bytes, list[wire.Delta]]) -> None:
        for client, batch in batches.items():
            if batch:
                self.send(client, wire.encode(wire.Deltas(batch=batch)))

    def _account(self, request: LiveRequest, deltas: list[wire.Delta]) -> list[wire.Delta]:
        """Note which choices end with `deltas`, and the request with its last choice."""
        for delta in deltas:
            if delta.finish_reason is not None:
                request.open -= 1
                if request.open == 0:
                    self.live.remove(request.client, request.id)
                    self.admission.rate.record(request.sequences)
        return deltas

    def _load(self) -> wire.Load:
        return self.drain.load if self.drain.begun else self.clock.load()

    def _pong(self) -> wire.Pong:
        pong = wire.Pong(instance=self.welcome.instance, load=self._load(), live=len(self.live))
        if self.engine is not None:
            stats = self.engine.stats
            pong.running, pong.waiting, pong.kv_cache_usage = stats.running, stats.waiting, stats.kv_cache_usage
        return pong

    def _fail(self, request: LiveRequest, error: ApiError, *, resumable: bool = False) -> None:
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
                resumable=resumable,
            ),
        )

    def _reply(self, client: bytes, message: wire.Message) -> None:
        self.send(client, wire.encode(message))

    # ---- endings -----------------------------------------------------------------------------------------------

    def abort_silent_clients(self) -> None:
        """Abort what belongs to web workers that have not been heard of for `CLIENT_SILENCE_LIMIT`."""
        now, looked_at = time.monotonic(), self._looked_at
        self._looked_at = now
        if now - looked_at > wire.CLIENT_SILENCE_LIMIT / 2:
            return  # it was this process that slept: what they have said meanwhile is still to be read
        limit = now - wire.CLIENT_SILENCE_LIMIT
        for client in [client for client, heard in self.last_message_at.items() if heard < limit]:
            self.abort_client(client, "it has fallen silent")

    def on_gone(self, client: bytes) -> None:
        """Called by the ROUTER where something could not be sent."""
        self.abort_client(client, "it cannot be reached")

    def abort_client(self, client: bytes, why: str) -> None:
        """Abort all requests of a web worker."""
        self.last_message_at.pop(client, None)
        requests = self.live.of_client(client)
        if requests:
            log.warning("aborting %d requests of web worker %s: %s", len(requests), client.hex(), why)
        for request in requests:
            self._abort(self.live.remove(client, request.id))
            # Should it be there after all (its host was suspended, say), nobody must wait for ever.
            self._fail(request, CONTACT_LOST, resumable=True)

    def hand_over(self, error: ApiError) -> None:
        """This engine ends: the web workers keep what is live for the next one. `error` is for those that cannot."""
        self.drain.begin(0)
        self.announce()
        for request in self.live:
            self.live.remove(request.client, request.id)
            self._fail(request, error, resumable=True)

    def begin_drain(self, seconds: float) -> None:
        """Take no new request, and give those that are live `seconds` to end."""
        log.warning("being stopped: at most %.0f s for %d live requests", seconds, len(self.live))
        self.drain.begin(seconds)
        self.announce()

    async def drained(self) -> None:
        """Returns when a drain was begun, and nothing is live any more or its time is up."""
        await self.drain.wait(lambda: not self.live)

    def seconds_without_progress(self) -> float:
        """Since vLLM, which has work, has last brought a step."""
        if self.engine is None or not self.engine.busy:
            self._stepped_at = time.monotonic()
        return time.monotonic() - self._stepped_at

    def _abort(self, request: LiveRequest | None) -> None:
        """Stop the work on a request that is no longer in the table. One still being started stops itself."""
        if request is None or request.task is not None or self.engine is None:
            return
        for search in request.searches:
            search.cancel()
        if request.keys:
            task = asyncio.create_task(self.engine.abort(request.keys))
            self._aborts.add(task)
            task.add_done_callback(self._aborts.discard)
