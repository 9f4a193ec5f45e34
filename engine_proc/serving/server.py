"""The engine's side of the protocol: answer the messages of web workers, and send them the deltas of their requests."""

import asyncio
import logging
import os
import time
import uuid
from collections import defaultdict
from typing import TYPE_CHECKING

from engine_proc.answering.live import LiveRequest, LiveTable
from engine_proc.serving import decoding, operating
from engine_proc.serving.admission import Admission
from engine_proc.serving.clients import Clients
from engine_proc.serving.decoding import Payload
from engine_proc.serving.drain import Drain
from engine_proc.serving.endings import Endings
from engine_proc.serving.failures import CONTACT_LOST, LOADING, STOPPING, check, internal_error
from engine_proc.serving.launcher import Launcher
from engine_proc.serving.load_clock import LoadClock
from engine_proc.serving.outbox import Outbox
from engine_proc.serving.parse_threads import ParseThreads
from engine_proc.serving.quarantine import Quarantine
from schemas import wire
from schemas.errors import ApiError
from schemas.shared import turns

if TYPE_CHECKING:  # these import vllm, which takes seconds: the server answers before that
    from engine_proc.adapter.engine import Engine
    from engine_proc.answering.starting import Starter

log = logging.getLogger("hearth.server")

TURN_SECONDS = 0.01
"""Seconds of a step's outputs after which the loop does other work: a parser may take a millisecond for each output."""
STRANDED_AT_ONCE = 512
"""Requests that are stranded in a turn of the loop: each takes 10 us."""


class Server:
    """Answers web workers as soon as it is created, and accepts requests once `attach` has given it a loaded engine."""

    def __init__(self, clock: LoadClock, load_count: int, admission: Admission) -> None:
        self.clients = Clients()
        self.clock = clock
        self.live = LiveTable(on_remove=lambda request: self.quarantine.ended(request))
        self.admission = admission
        self.endings = Endings(self.live, self.clients)
        self.outbox = Outbox(
            self.live, self.clients, lambda request: self.admission.rate.record(request.sequences), self.endings.abort
        )
        self.launcher = Launcher(
            self.live, self.clients, self.outbox, self.endings, on_engine_gone=lambda: self.quarantine.stop()
        )
        self.quarantine = Quarantine(self.live, self.clients, self.launcher.begin, self.endings.hand_back)
        self._threads = ParseThreads(self.live, self.outbox.send, self.endings.end)
        self.drain = Drain()
        self.engine: Engine | None = None
        self.welcome = wire.Welcome(
            major=wire.MAJOR,
            minor=wire.MINOR,
            instance=uuid.uuid4().hex,
            pid=os.getpid(),
            load_count=load_count,
            started=int(time.time()),
            max_queue=admission.max_queue,
            features=[wire.RESUMES, wire.FRAMES, wire.EXTENDED, wire.METRICS, wire.REQUESTS, wire.QUARANTINE],
        )
        self._stepped_at = time.monotonic()
        self._decoder = decoding.Decoder()

    def attach(self, engine: "Engine", starter: "Starter") -> None:
        """Serve requests with the loaded model, which `welcome` describes."""
        self.launcher.engine, self.launcher.starter = engine, starter
        self.endings.engine = self.engine = engine

    def warm_up(self) -> None:
        """Do in the loop's thread what its first request would have to wait for."""
        if self.launcher.starter is not None:
            self.launcher.starter.warm_up()
            turns.forget_turn()

    def announce(self) -> None:
        """Send every web worker the engine's state now, rather than with the answer to its next ping."""
        self.welcome.load = self._load()
        for client in self.clients:
            self.clients.reply(client, self.welcome)

    # ---- receiving ---------------------------------------------------------------------------------------------

    def on_message(self, client: bytes, payload: Payload) -> "asyncio.Future[None] | None":
        """Handle a message of a web worker. A malformed one is ignored: it must not harm other requests.

        A large one is decoded in a thread. Return what the messages after it are to wait for.
        """
        if len(payload) > decoding.LARGE:
            return asyncio.ensure_future(self._on_large_message(client, payload))
        if (message := decoding.decoded(payload)) is not None:
            self._on_decoded(client, message, len(payload))
        return None

    async def _on_large_message(self, client: bytes, payload: Payload) -> None:
        if (message := await self._decoder.decode(payload)) is not None:
            self._on_decoded(client, message, len(payload))

    def _on_decoded(self, client: bytes, message: wire.ToEngine, size: int) -> None:
        self.clients.record_message(client)
        match message:
            case wire.Generate():
                try:
                    self._on_generate(client, message, size)
                except Exception:
                    log.exception("%s cannot be admitted", message.log_name)
                    self.endings.abort(self.live.remove(client, message.id))
                    self.clients.fail(client, message.id, internal_error("The engine"))
            case wire.Abort():
                for request_id in message.ids:
                    self.endings.abort(self.live.remove(client, request_id))
            case wire.Ping():
                self._strand_unknown(client, message.ids)
                self.clients.reply(client, self._pong())
            case wire.AskStats():
                self.clients.reply(client, self._pong() if self.engine is None else self.engine.figures)
            case wire.AskMetrics():
                self.clients.reply(client, wire.Metrics(text="" if self.engine is None else self.engine.metrics()))
            case wire.AskRequests():
                self.clients.reply(client, operating.summary(self.live))
            case wire.EndRequest():
                self.clients.reply(client, operating.end(message.name, self.live, self.endings.end))
            case wire.Drain():
                self.begin_drain(message.seconds)
                self.clients.reply(client, self._pong())
            case wire.Hello():
                conflict = wire.version_conflict(message)
                self.clients.record_hello(client, message.minor)
                self.welcome.load = self._load()
                self.clients.reply(client, wire.Refused(message=conflict) if conflict else self.welcome)

    def _on_generate(self, client: bytes, generate: wire.Generate, size: int) -> None:
        open_choices = generate.choices - len(set(generate.ended))
        request = LiveRequest(
            client, generate.id, generate.log_name, generate.user, 0, tenant=generate.tenant, open=open_choices
        )
        if self.drain.begun or self.engine is None:
            self.clients.fail(request.client, request.id, STOPPING if self.drain.begun else LOADING, resumable=True)
            return
        try:
            request.sequences = self.admission.check(generate, self.live)
        except ApiError as error:
            self.clients.fail(request.client, request.id, error)
            return
        if not self.live.add(request):
            log.warning("ignored request %s: its id is already live", generate.log_name)
            return
        self.quarantine.admit(request, generate, size)

    def _strand_unknown(self, client: bytes, ids: list[int]) -> None:
        """Strand each request of `ids` that is not live here: its `Generate` or its answer was lost on the way."""
        for request_id in ids:
            if not self.live.has(client, request_id):
                self.clients.fail(client, request_id, CONTACT_LOST, resumable=True)

    # ---- sending -----------------------------------------------------------------------------------------------

    async def pump(self) -> None:
        """Send the outputs of every engine step to the web workers. Raises `EngineGone` when the engine dies."""
        assert self.engine is not None
        while True:
            await asyncio.sleep(0)  # `step` does not wait where steps have queued up
            outputs = await self.engine.step()
            self._stepped_at = time.monotonic()
            batches: dict[bytes, list[wire.Delta]] = defaultdict(list)
            pause_at = time.perf_counter() + TURN_SECONDS
            for output in outputs:
                if time.perf_counter() > pause_at:
                    await asyncio.sleep(0)
                    pause_at = time.perf_counter() + TURN_SECONDS
                request = output.tag.request
                try:
                    check(output)
                    if chars := output.tag.to_parse(output):
                        self._threads.receive(output, chars)
                    else:  # the model's parser may raise, for what the model wrote
                        batches[request.client] += output.tag.receive(output)
                except Exception as error:
                    self.endings.end(request, error)
            for client, batch in batches.items():
                await self.outbox.send(client, batch)
            self.quarantine.after_step(outputs, self.engine.generated)

    def _load(self) -> wire.Load:
        return self.drain.load if self.drain.begun else self.clock.load()

    def _pong(self) -> wire.Pong:
        pong = wire.Pong(instance=self.welcome.instance, load=self._load(), live=len(self.live))
        if self.engine is not None:
            stats = self.engine.stats
            pong.running, pong.waiting, pong.kv_cache_usage = stats.running, stats.waiting, stats.kv_cache_usage
        return pong

    # ---- ending requests ---------------------------------------------------------------------------------------

    def abort_silent_clients(self) -> None:
        """Abort the requests of web workers that have sent no message for `CLIENT_SILENCE_LIMIT` seconds."""
        for client in self.clients.silent():
            self.abort_client(client, "it has sent nothing for too long")

    def on_unreachable(self, client: bytes) -> None:
        """Abort the requests of a web worker that the ROUTER could not send to."""
        self.abort_client(client, "it cannot be reached")

    def abort_client(self, client: bytes, why: str) -> None:
        """Abort all requests of a web worker. `why` is logged."""
        self.clients.forget(client)
        if requests := self.live.of_client(client):
            log.warning("aborting %d requests of web worker %s: %s", len(requests), client.hex(), why)
        for request in requests:
            # The worker may still exist (its host was suspended, say), and its client must not wait forever.
            self.endings.hand_back(request, CONTACT_LOST)

    async def strand_all(self, error: ApiError) -> None:
        """Strand all live requests: this engine ends. `error` is for web workers that cannot resume them."""
        self.quarantine.stop()
        self.drain.begin(0)
        self.announce()
        for number, request in enumerate(self.live, 1):
            if self.live.remove(request.client, request.id) is not None:  # it may have ended in another turn
                self.clients.fail(request.client, request.id, error, resumable=True)
            if number % STRANDED_AT_ONCE == 0:
                await asyncio.sleep(0)

    def begin_drain(self, seconds: float) -> None:
        """Accept no new requests, and give the live ones `seconds` seconds to finish."""
        log.warning("draining: %d live requests have at most %.0f s to finish", len(self.live), seconds)
        self.drain.begin(seconds)
        self.announce()

    async def drained(self) -> None:
        """Return when a drain has begun and either no request is live or its deadline has passed."""
        await self.drain.wait(lambda: not self.live)

    def seconds_without_progress(self) -> float:
        """Return the seconds since vLLM's last step; 0 while it has no work."""
        if self.engine is None or not self.engine.busy:
            self._stepped_at = time.monotonic()
        return time.monotonic() - self._stepped_at
