"""The web worker's half of the conversation with the engine: one DEALER, one receiving greenlet."""

import itertools
import logging
import math
import os
import time
from typing import Any, TypeVar

import gevent
import msgspec
from gevent.event import AsyncResult, Event

from schemas import wire
from schemas.errors import ApiError, invalid, unavailable
from schemas.shared.curve import ClientKeys
from webapp.engine.dealer import READ_AT_ONCE, Dealer
from webapp.engine.recovery import Recovery
from webapp.engine.reply import Reply

log = logging.getLogger("hearth.engine_client")

ENGINE_SILENCE_LIMIT = 10.0
"""Seconds without a word after which the engine is taken for gone."""
FIRST_ANSWER_SECONDS = 2.0
"""How long a worker's first request waits to hear from the engine."""
ASK_SECONDS = 2.0
"""How long the engine may take to tell its figures."""
FRESH_SECONDS = 0.5
"""How old figures may be: many may look at a status page, and the engine has other things to do."""

Told = TypeVar("Told", bound=wire.Message)


class EngineClient:
    """Knows the engine's state and carries requests to it. Connects at the first use, so never before a fork."""

    def __init__(self, endpoint: str, recovery_seconds: float, curve_keys: ClientKeys | None = None) -> None:
        """`recovery_seconds`: how long a request that has lost its engine waits for the next."""
        self.endpoint = endpoint
        self.curve_keys = curve_keys
        self.recovery = Recovery(recovery_seconds)
        self.welcome: wire.Welcome | None = None
        self.load = wire.Load()
        self.refusal: str | None = None
        self.live: dict[int, Reply] = {}
        self._ids = itertools.count(1)
        self._given_up: list[int] = []
        """Ids that a silent engine may still work on, should it come back."""
        self._was_ready = False
        self._connected_at = 0.0
        self._heard_at = 0.0
        self._heard = Event()
        self._dealer: Dealer | None = None
        self._asked: dict[type[wire.Message], AsyncResult[Any]] = {}
        self._told: dict[type[wire.Message], tuple[float, Any]] = {}

    # ---- state -------------------------------------------------------------------------------------------------

    def state(self) -> str:
        """`ready`, `loading`, `restarting` (it was ready before), `gone` or `incompatible`."""
        self._connect()
        if self.refusal is not None:
            return "incompatible"
        if self.welcome is None:
            return "restarting" if self._was_ready else "gone"
        if self.load.ready:
            return "ready"
        return "restarting" if self._was_ready else "loading"

    def require_ready(self) -> wire.Welcome:
        """Who the engine is. Raises `ApiError` (503) unless it can take requests."""
        state = self.state()
        if state == "ready" and self.welcome is not None:
            return self.welcome
        if state == "incompatible":
            raise unavailable(f"The engine cannot be used: {self.refusal}.", "engine_incompatible", 60)
        if self.welcome is not None:
            how_far = f"{self.load.stage}, about {self.load.progress:.0%}"
            raise unavailable(f"The engine is {state} ({how_far}).", f"engine_{state}")
        raise unavailable("The engine does not answer; it may be starting.", f"engine_{state}")

    def ask(self, question: wire.Message, answer: type[Told]) -> Told | None:
        """The engine's message of the kind `answer`, not older than `FRESH_SECONDS`; None where none comes in
        `ASK_SECONDS`.
        """
        told_at, before = self._told.get(answer, (-math.inf, None))
        if time.monotonic() - told_at < FRESH_SECONDS:
            return before  # type: ignore[no-any-return]
        self._connect()
        waiting = self._asked.setdefault(answer, AsyncResult())  # whoever asks meanwhile gets the same one
        self._send(wire.encode(question))
        try:
            told: Told = waiting.get(timeout=ASK_SECONDS)
        except gevent.Timeout:
            return None
        self._told[answer] = time.monotonic(), told
        return told

    # ---- requests ----------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        """Return an id that no request of this client has had."""
        return next(self._ids)

    def submit(self, generate: wire.Generate) -> Reply:
        """Send a request whose id comes from `next_id`, and return its reply.

        Raises `ApiError`: 503 if no engine is ready, 400 if the request has a value that the wire cannot carry.
        """
        welcome = self.require_ready()
        try:
            payload = wire.encode(generate)
        except (OverflowError, RecursionError) as error:  # in what a message may hold freely: its tool calls
            raise invalid(f"The request cannot be passed to the engine: {error}.") from None
        reply = Reply(generate, self._release)
        reply.fingerprint, reply.instance = welcome.fingerprint, welcome.instance
        self.live[generate.id] = reply
        if not self._send(payload):
            del self.live[generate.id]
            raise unavailable("The engine does not take requests now.", "engine_gone")
        return reply

    def _release(self, reply: Reply) -> None:
        """Forget `reply`; abort it in the engine unless it has ended."""
        self.recovery.discard(reply)
        if self.live.pop(reply.id, None) is not None and not reply.complete:
            self._send(wire.encode(wire.Abort(ids=[reply.id])))

    # ---- the socket --------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        if self._dealer is None:
            self._dealer = Dealer(self.endpoint, self.curve_keys)
            gevent.spawn(self._receive)
            gevent.spawn(self._beat)
            self._connected_at = time.monotonic()
        if not self._heard.is_set():
            self._heard.wait(max(0.0, self._connected_at + FIRST_ANSWER_SECONDS - time.monotonic()))

    def _send(self, payload: bytes) -> bool:
        assert self._dealer is not None
        return self._dealer.send(payload)

    def _receive(self) -> None:
        assert self._dealer is not None
        while True:
            touched: set[Reply] = set()
            payloads = self._dealer.receive()  # where steps have piled up, a stream's deltas leave in one write
            for payload in payloads:
                self._on_payload(payload, touched)
            for reply in touched:
                reply.deliver()
            if len(payloads) == READ_AT_ONCE:
                gevent.sleep(0)  # more may have piled up than is ever read: others must have their turn

    def _on_payload(self, payload: bytes, touched: set[Reply]) -> None:
        """`touched` gets those that it brings deltas for."""
        try:
            message = wire.decode_to_web(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("ignored a message that is not of this protocol: %s", error)
            return
        self._heard_at = time.monotonic()
        if isinstance(message, wire.Deltas):
            live = self.live
            for delta in message.batch:
                reply = live.get(delta.id)
                if reply is not None:
                    reply.put(delta)
                    touched.add(reply)
        else:
            self._on_message(message)

    def _on_message(self, message: wire.ToWeb) -> None:
        if (waiting := self._asked.pop(type(message), None)) is not None:
            waiting.set(message)
        match message:
            case wire.Accepted() if message.id in self.live:
                self.live[message.id].accept(message)
            case wire.Failed() if message.id in self.live and message.resumable:
                self.recovery.add(self.live.pop(message.id))
                if len(self.recovery) == 1:
                    self._hello()  # it may be another engine that speaks; the Welcome says whether it is ready
            case wire.Failed() if message.id in self.live:
                error = ApiError(
                    message.status,
                    message.message,
                    type=message.type,
                    code=message.code,
                    param=message.param,
                    retry_after=message.retry_after,
                )
                self.live.pop(message.id).fail(error)
            case wire.Welcome():
                self._on_welcome(message)
            case wire.Pong():
                if (
                    self.welcome is None
                    or message.instance != self.welcome.instance
                    or message.load.ready != self.load.ready
                ):
                    self._hello()  # the Welcome says how far the load is, together with what is loaded
                else:
                    self.load = message.load
            case wire.Refused():
                if self.refusal is None:
                    log.error("the engine refuses this web tier: %s", message.message)
                self.refusal = message.message
                self._heard.set()

    def _on_welcome(self, welcome: wire.Welcome) -> None:
        if self.welcome is not None and self.welcome.instance != welcome.instance:
            self._strand_all()
        if self.welcome is None or self.welcome.instance != welcome.instance:
            log.info("engine %s (pid %s) answers", welcome.instance, welcome.pid)
        self.welcome, self.load, self.refusal = welcome, welcome.load, None
        self._was_ready = self._was_ready or welcome.load.ready
        if self._dealer is not None:
            self._dealer.multipart = wire.FRAMES in welcome.features
        self._heard.set()
        if self._given_up:
            self._send(wire.encode(wire.Abort(ids=self._given_up)))
            self._given_up = []
        self._resume_waiting()

    def _hello(self) -> None:
        hello = wire.Hello(major=wire.MAJOR, minor=wire.MINOR, client=f"web worker {os.getpid()}")
        self._send(wire.encode(hello))

    def _beat(self) -> None:
        """Say hello until the engine is known and ready, then ping; notice when it falls silent."""
        while True:
            self.recovery.expire()
            if self.welcome is None:
                self._hello()
                gevent.sleep(0.1 if not self._heard.is_set() else wire.PING_INTERVAL / 2)
                continue
            if self.recovery:
                self._hello()
            self._send(wire.encode(wire.Ping(ids=list(self.live))))
            gevent.sleep(wire.PING_INTERVAL)
            if time.monotonic() - self._heard_at > ENGINE_SILENCE_LIMIT:
                log.error("the engine has been silent for %.0f s", ENGINE_SILENCE_LIMIT)
                self.welcome, self.load = None, wire.Load()
                self._strand_all()

    # ---- a lost engine -----------------------------------------------------------------------------------------

    def _strand_all(self) -> None:
        """The engine that had the live requests is no more, or has forgotten them, or cannot be asked."""
        self._given_up += self.live
        for reply in self.live.values():
            self.recovery.add(reply)
        self.live.clear()

    def _resume_waiting(self) -> None:
        """Send to the engine, if it is ready, what another one has left unfinished."""
        if self.welcome is None or not self.load.ready:
            return
        for reply in self.recovery.pop_resumable(self.welcome):
            payload = wire.encode(reply.resumption(self.next_id()))
            self.live[reply.id] = reply
            if not self._send(payload):
                self.recovery.add(self.live.pop(reply.id))
