"""An engine without a model that counts: token k of a choice is the number k, wherever the choice is resumed."""

import threading
import time
from pathlib import Path
from typing import Any

import zmq

from schemas import wire
from tests.fake_engine import READY, welcome


def text_of(count: int) -> str:
    """The text of `count` tokens."""
    return "".join(f"{number} " for number in range(1, count + 1))


class CountingEngine:
    """A ROUTER socket in a thread, for several web workers. It has no limit to what it does at a time."""

    def __init__(self, run_dir: Path, step_seconds: float) -> None:
        self._step_seconds = step_seconds
        self._live: dict[tuple[bytes, int], tuple[wire.Generate, list[int]]] = {}
        """By worker and request: the request, and how many tokens each choice has."""
        self._seen: dict[bytes, float] = {}
        self._stop = threading.Event()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.LINGER, 0)
        self._socket.bind(f"ipc://{run_dir}/engine.sock")
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> "CountingEngine":
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._stop.set()
        self._thread.join()

    def live(self) -> int:
        """How many requests it works on."""
        return len(self._live)

    def _run(self) -> None:
        due = time.monotonic()
        while not self._stop.is_set():
            if self._socket.poll(int(1000 * max(0.0, due - time.monotonic()))):
                client, *frames = self._socket.recv_multipart()
                for frame in frames:
                    self._on_message(client, wire.decode_to_engine(frame))
            if time.monotonic() >= due:
                due += self._step_seconds
                self._step()
        self._socket.close()
        self._context.term()

    def _send(self, client: bytes, message: Any) -> None:
        self._socket.send_multipart([client, wire.encode(message)])

    def _on_message(self, client: bytes, message: wire.ToEngine) -> None:
        self._seen[client] = time.monotonic()
        match message:
            case wire.Hello():
                self._send(client, welcome())
            case wire.Ping():
                self._send(client, wire.Pong(instance=welcome().instance, load=READY))
            case wire.Generate():
                self._send(client, wire.Accepted(id=message.id, prompt_tokens=1))
                self._live[client, message.id] = message, [len(message.sent.get(i, ())) for i in range(message.choices)]
            case wire.Abort():
                for request_id in message.ids:
                    self._live.pop((client, request_id), None)

    def _step(self) -> None:
        silent = time.monotonic() - wire.CLIENT_SILENCE_LIMIT
        for (client, request_id), (generate, counts) in list(self._live.items()):
            if self._seen[client] < silent:
                del self._live[client, request_id]
                continue
            most = generate.sampling.max_tokens or 100
            batch = []
            for index, count in enumerate(counts):
                if index not in generate.ended and count < most:
                    counts[index] = count = count + 1
                    finish = "length" if count == most else None
                    batch.append(wire.Delta(request_id, index, f"{count} ", [count], finish))
            if batch:
                self._send(client, wire.Deltas(batch=batch))
            else:
                del self._live[client, request_id]
