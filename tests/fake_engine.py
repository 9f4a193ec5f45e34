"""A fake engine that speaks the wire protocol and follows a test's script, for faults that a real one cannot show."""

import threading
from collections import deque
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TypeVar

import zmq

from schemas import wire

Received = TypeVar("Received", wire.Hello, wire.Ping, wire.Generate, wire.Abort)
Script = Callable[["FakeEngine", wire.Generate], None]

LOADING = wire.Load(stage="loading weights", progress=0.25)
READY = wire.Load(ready=True, stage="ready", progress=1.0)
TICK_MS = 2


def welcome(instance: str = "first", *, ready: bool = True) -> wire.Welcome:
    """Return the `Welcome` of a healthy engine. As with a real one, the model's fields are empty until it is ready."""
    message = wire.Welcome(
        major=wire.MAJOR, minor=wire.MINOR, instance=instance, pid=4242, started=1_700_000_000, load=LOADING
    )
    if ready:
        message.load = READY
        message.model = "/models/fake"
        message.served_names = ["fake", "fake-alias"]
        message.fingerprint = "f1"
        message.max_model_len = 512
        message.features = [wire.RESUMES, wire.EXTENDED]
    return message


def complete(engine: "FakeEngine", generate: wire.Generate) -> None:
    """Accept the request, and answer each choice with `one two`: in two deltas, or in one if it is not streamed."""
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    for index in range(generate.choices):
        if generate.stream:
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, index, "one ", [1])]))
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, index, "two", [2], "stop")]))
        else:
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, index, "one two", [1, 2], "stop")]))


class FakeEngine:
    """A ROUTER socket in a thread of the operating system, with its own ZeroMQ context."""

    def __init__(self, directory: Path) -> None:
        self.endpoint = f"ipc://{directory}/engine.sock"
        self.on_hello: wire.Welcome | wire.Refused | None = welcome()
        """The answer to a `Hello`. None: there is no answer."""
        self.on_generate: Script = complete
        """Called in the engine's thread, once per request."""
        self.pong: wire.Pong | None = None
        """The answer to a `Ping`. None: one with the state of `on_hello`."""
        self.stats = wire.Stats(ttft=wire.Histogram([0.1], [0, 0]), itl=wire.Histogram([0.1], [0, 0]))
        self.metrics = ""
        self.requests: list[wire.LiveSummary] = []
        self.silent = False
        """Whether the engine receives messages and answers none."""
        self.received: list[wire.ToEngine] = []
        self._client: bytes | None = None
        self._outbox: deque[bytes] = deque()
        self._stop = threading.Event()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.setsockopt(zmq.SNDHWM, 0)
        self._socket.bind(self.endpoint)
        self._thread = threading.Thread(target=self._run, name="fake engine", daemon=True)

    def __enter__(self) -> "FakeEngine":
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()

    def kill(self) -> None:
        """Stop without sending anything. May be called twice."""
        self._stop.set()
        self._thread.join()

    def send(self, message: wire.Message | bytes) -> None:
        """Send a message, or any bytes, to the client that sent the last message. May be called from any thread."""
        self._outbox.append(message if isinstance(message, bytes) else wire.encode(message))

    def restart(self, instance: str) -> None:
        """Send the `Welcome` of another instance, and be this instance from now on."""
        self.on_hello = message = welcome(instance)
        self.send(message)

    def messages(self, kind: type[Received]) -> list[Received]:
        """Return all messages of type `kind` received so far."""
        return [message for message in self.received if isinstance(message, kind)]

    def _run(self) -> None:
        while not self._stop.is_set():
            if self._socket.poll(TICK_MS):
                self._client, payload = self._socket.recv_multipart()
                self._on_message(wire.decode_to_engine(payload))
            while self._outbox and self._client is not None:
                self._socket.send_multipart([self._client, self._outbox.popleft()])
        self._socket.close()
        self._context.term()

    def _on_message(self, message: wire.ToEngine) -> None:
        self.received.append(message)
        if self.silent:
            return
        match message:
            case wire.Hello() if self.on_hello is not None:
                self.send(self.on_hello)
            case wire.Ping() if self.pong is not None:
                self.send(self.pong)
            case wire.Ping() if isinstance(self.on_hello, wire.Welcome):
                self.send(wire.Pong(instance=self.on_hello.instance, load=self.on_hello.load))
            case wire.AskStats():
                self.send(self.stats)
            case wire.AskMetrics():
                self.send(wire.Metrics(text=self.metrics))
            case wire.AskRequests():
                self.send(wire.Requests(listed=self.requests, total=len(self.requests)))
            case wire.EndRequest():
                found = any(request.name == message.name for request in self.requests)
                self.send(wire.Ended(name=message.name, found=found))
            case wire.Generate():
                self.on_generate(self, message)
