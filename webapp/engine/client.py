"""The web worker's side of the protocol: track the engine's state, send it requests, and pass its answers to them."""

import itertools
import logging
import os
import time
from collections.abc import Iterable
from pathlib import Path

import gevent
import msgspec
from gevent.event import Event
from gevent.threadpool import ThreadPool

from schemas import wire
from schemas.errors import ApiError, invalid, unavailable
from schemas.shared.curve import ClientKeys
from schemas.shared.problem import read_problem
from webapp.connection.yielding import let_others_run
from webapp.engine.dealer import Dealer
from webapp.engine.packing import Packed, pack
from webapp.engine.questions import Answer, Questions
from webapp.engine.recovery import RESUMED_AT_ONCE, Recovery
from webapp.engine.reply import Reply, deliver_all
from webapp.engine.unready import unready, worker_failed
from webapp.server.vital import spawn_vital

log = logging.getLogger("hearth.engine_client")

ENGINE_SILENCE_LIMIT = 10.0
"""Seconds without any message after which the engine is considered lost."""
FIRST_ANSWER_SECONDS = 2.0
"""How many seconds a worker's first request waits until the engine accepts a connection, or answers."""
BUSY_ANSWER_SECONDS = ENGINE_SILENCE_LIMIT
"""How many seconds it waits for the answer of an engine that has accepted the connection: the host may be busy."""


class EngineClient:
    """Tracks the engine's state and sends it requests. Connects at its first use, so never before gunicorn forks."""

    def __init__(
        self,
        endpoint: str,
        recovery_seconds: float,
        threads: ThreadPool,
        keys: ClientKeys | None = None,
        run_dir: Path | None = None,
    ) -> None:
        """`recovery_seconds`: how long a stranded request waits for an engine. Large requests are encoded in `threads`.

        `run_dir`: where an engine of this host stores why it does not run. None: nowhere.
        """
        self.endpoint = endpoint
        self._threads = threads
        self._keys = keys
        self._run_dir = run_dir
        self.recovery = Recovery(recovery_seconds)
        self.welcome: wire.Welcome | None = None
        self.load = wire.Load()
        self.refusal: str | None = None
        self.live: dict[int, Reply] = {}
        self._ids = itertools.count(1)
        self._abort_later: list[int] = []
        """Ids of stranded requests, which a silent engine may still work on: it is to abort them if it returns."""
        self._failed = False
        """Whether this worker can no longer talk to the engine, by a defect of its own. It is about to end."""
        self._was_ready = False
        self._connected_at = 0.0
        self._received_at = 0.0
        self._answered = Event()
        """Set once the engine has sent a `Welcome` or a `Refused`."""
        self._dealer: Dealer | None = None
        self._questions = Questions(self._send)

    # ---- state -------------------------------------------------------------------------------------------------

    def state(self) -> str:
        """Return `ready`, `loading`, `restarting` (the engine was ready before), `gone` or `incompatible`."""
        self._connect()
        if self.refusal is not None:
            return "incompatible"
        if self.welcome is None:
            return "restarting" if self._was_ready else "gone"
        if self.load.ready:
            return "ready"
        return "restarting" if self._was_ready else "loading"

    def connect(self) -> None:
        """Connect now, so that the first request does not wait for the engine's greeting."""
        if self._dealer is None:
            self._dealer = Dealer(self.endpoint, self._keys)
            spawn_vital(self._receive_all, self._fail)
            spawn_vital(self._ping, self._fail)
            self._connected_at = time.monotonic()

    @property
    def problem(self) -> str:
        """Why no engine runs, as the last one has stored it. Empty: an engine answers, or the reason is not known."""
        return "" if self.welcome is not None or self._run_dir is None else read_problem(self._run_dir)

    def require_ready(self) -> wire.Welcome:
        """Return the engine's `Welcome`. Raises `ApiError` (503) unless the engine accepts requests."""
        if self._failed:
            raise worker_failed()
        state = self.state()
        if state == "ready" and self.welcome is not None:
            return self.welcome
        raise unready(state, self.load if self.welcome is not None else None, self.refusal, self.problem)

    def ask(self, question: wire.Message, kind: type[Answer], name: str = "") -> Answer | None:
        """Return the engine's answer to `question`, as `Questions.ask` does."""
        self._connect()
        return self._questions.ask(question, kind, name)

    # ---- requests ----------------------------------------------------------------------------------------------

    def next_id(self) -> int:
        """Return an id that no request of this client has had."""
        return next(self._ids)

    def submit(self, generate: wire.Generate, stream_interval: int = 1) -> Reply:
        """Send a request whose id comes from `next_id`, and return its reply. `stream_interval` is that of `Reply`.

        Raises `ApiError`: 503 if no engine is ready, 400 if the request has a value that the wire cannot carry.
        """
        self.require_ready()
        try:
            payload = pack(generate, self._threads)
        except (OverflowError, RecursionError) as error:  # from tool calls, which are not validated
            raise invalid(f"The request cannot be sent to the engine: {error}.") from None
        welcome = self.require_ready()  # it may have changed while a large request was packed
        reply = Reply(generate, self._release, stream_interval)
        reply.fingerprint, reply.instance = welcome.fingerprint, welcome.instance
        self.live[generate.id] = reply
        if not self._send(payload):
            del self.live[generate.id]
            raise unavailable("The engine does not accept requests now.", "engine_gone")
        return reply

    def take_up(self, generate: wire.Generate, fingerprint: str, received: Iterable[wire.Delta]) -> Reply:
        """Go on with a streamed request that an earlier worker has begun, and return its reply. It waits for an engine
        as a stranded request does.

        `generate` has an id from `next_id`, `fingerprint` is that of the model which has begun it, and `received` are
        the deltas that need not come again.
        """
        self._connect()
        reply = Reply(generate, self._release)
        reply.fingerprint = fingerprint
        reply.restore(received)
        if not reply.finished:
            self.recovery.take_up(reply)
            self._resume_stranded()
        return reply

    def _release(self, reply: Reply) -> None:
        """Forget `reply`, and have the engine abort it unless it has finished."""
        self.recovery.discard(reply)
        if self.live.pop(reply.id, None) is not None and not reply.finished:
            self._send(wire.encode(wire.Abort(ids=[reply.id])))

    # ---- the socket --------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        """Connect at the first call, and wait for the engine's first answer, within limits.

        An engine that does not accept the connection has `FIRST_ANSWER_SECONDS`, one that does `BUSY_ANSWER_SECONDS`.
        """
        self.connect()
        assert self._dealer is not None
        for seconds in (FIRST_ANSWER_SECONDS, BUSY_ANSWER_SECONDS):
            left = self._connected_at + seconds - time.monotonic()
            if self._answered.wait(max(0.0, left)) or not self._dealer.connected:
                return

    def _send(self, payload: Packed) -> bool:
        assert self._dealer is not None
        return self._dealer.send(payload)

    def _receive_all(self) -> None:
        """Receive messages forever. Deltas of several engine steps that have queued up are written together."""
        assert self._dealer is not None
        while True:
            updated: set[Reply] = set()
            payloads = self._dealer.receive()
            for payload in payloads:
                self._on_payload(payload, updated)
            deliver_all(updated)
            if self._dealer.more:
                let_others_run(in_line=False)

    def _on_payload(self, payload: bytes, updated: set[Reply]) -> None:
        """Handle one message. The replies that it has deltas for are added to `updated`."""
        try:
            message = wire.decode_to_web(payload)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            log.warning("ignored a message that is not of the wire protocol: %s", error)
            return
        self._received_at = time.monotonic()
        if isinstance(message, wire.Deltas):
            live = self.live
            for delta in message.batch:
                reply = live.get(delta.id)
                if reply is not None:
                    reply.put(delta)
                    updated.add(reply)
        else:
            self._on_message(message)

    def _on_message(self, message: wire.ToWeb) -> None:
        self._questions.on_message(message)
        match message:
            case wire.Accepted() if message.id in self.live:
                self.live[message.id].accept(message)
            case wire.Testing() if message.id in self.live:
                self.live[message.id].suspicion.testing = message
            case wire.Cleared():
                for reply in [self.live[request_id] for request_id in message.ids if request_id in self.live]:
                    reply.clear()
            case wire.Failed() if message.id in self.live and message.resumable:
                reply = self.live.pop(message.id)
                if message.code not in (wire.CRASHED, wire.CONTACT_LOST):
                    reply.hand_back()
                self.recovery.add(reply)
                if len(self.recovery) == 1:
                    self._send_hello()  # another engine may have answered; its Welcome says whether it is ready
            case wire.Failed() if message.id in self.live:
                told = {name: getattr(message, name) for name in ("type", "code", "param", "retry_after")}
                error = ApiError(message.status, message.message, **told)
                self.live.pop(message.id).fail(error)
            case wire.Welcome():
                self._on_welcome(message)
            case wire.Pong():
                if (
                    self.welcome is None
                    or message.instance != self.welcome.instance
                    or message.load.ready != self.load.ready
                ):
                    self._send_hello()  # the Welcome has the state of the load and the model together
                else:
                    self.load = message.load
            case wire.Refused():
                if self.refusal is None:
                    log.error("the engine refuses this web tier: %s", message.message)
                self.refusal = message.message
                self._answered.set()

    def _on_welcome(self, welcome: wire.Welcome) -> None:
        if self.welcome is not None and self.welcome.instance != welcome.instance:
            self._strand_all()
        if self.welcome is None or self.welcome.instance != welcome.instance:
            log.info("engine %s (pid %s) answers", welcome.instance, welcome.pid)
        self.welcome, self.load, self.refusal = welcome, welcome.load, None
        self._was_ready = self._was_ready or welcome.load.ready
        if self._dealer is not None:
            self._dealer.multipart = wire.FRAMES in welcome.features
        self._answered.set()
        self.recovery.record_deaths(welcome.instance)
        if self._abort_later:
            self._send(wire.encode(wire.Abort(ids=self._abort_later)))
            self._abort_later = []
        self._resume_stranded()

    def _send_hello(self) -> None:
        hello = wire.Hello(major=wire.MAJOR, minor=wire.MINOR, client=f"web worker {os.getpid()}")
        self._send(wire.encode(hello))

    def _ping(self) -> None:
        """Send `Hello` until the engine answers, then `Ping`, forever. Strand all requests if the engine is silent."""
        while True:
            self.recovery.expire()
            if self.welcome is None:
                self._send_hello()
                gevent.sleep(0.1 if not self._answered.is_set() else wire.PING_INTERVAL / 2)
                continue
            if self.recovery:
                self._send_hello()
            self._send(wire.encode(wire.Ping(ids=list(self.live))))
            gevent.sleep(wire.PING_INTERVAL)
            if time.monotonic() - self._received_at > ENGINE_SILENCE_LIMIT:
                log.error("the engine has sent nothing for %.0f s", ENGINE_SILENCE_LIMIT)
                self.welcome, self.load = None, wire.Load()
                self._strand_all()

    def _fail(self) -> None:
        """Fail all requests: a greenlet that they need has ended. Those of other workers are not affected."""
        self._failed = True
        lost = dict(self.live)
        self.live.clear()
        for reply in [*lost.values(), *self.recovery.pop_all()]:
            reply.fail(worker_failed())
        self._send(wire.encode(wire.Abort(ids=list(lost))))

    # ---- a lost engine -----------------------------------------------------------------------------------------

    def _strand_all(self) -> None:
        """Strand all live requests: their engine has died, has restarted, or is silent."""
        self._abort_later += self.live
        self.recovery.add_all(self.live.values())
        self.live.clear()

    def _resume_stranded(self) -> None:
        """Resume the stranded requests if the engine is ready, over several turns of the hub if they are long."""
        welcome, size = self.welcome, 0
        if welcome is None or not self.load.ready:
            return
        for reply in self.recovery.resumable(welcome):
            generate = reply.resumption(self.next_id())
            payload = pack(generate, self._threads)
            if self.welcome is not welcome or self._failed:
                return
            if reply.id != generate.id or not self.recovery.take(reply, welcome):
                continue  # it has ended while it was packed, or is being resumed elsewhere
            self.live[reply.id] = reply
            if not self._send(payload):
                reply.hand_back()
                self.recovery.add(self.live.pop(reply.id))
            size += len(payload)
            if size > RESUMED_AT_ONCE:
                let_others_run(in_line=False)
                size = 0
                if self.welcome is not welcome or self._failed:
                    return
