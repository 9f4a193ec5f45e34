"""An engine without a model, to measure the web tier: at each step it sends a token for every stream.

`python -m bench.mock_engine ENDPOINT STEPS_PER_SECOND`; 0 means as many steps per second as possible.
"""

import argparse
import asyncio
import contextlib
import itertools
import os
import signal
import time
import uuid
from collections import defaultdict

from engine_proc.adapter.loading.children import die_with_parent
from engine_proc.serving.decoding import Payload
from engine_proc.serving.router import Router
from schemas import wire

WORDS = [" the", " fire", " is", " lit", " and", " stays", " warm", "."]
DEFAULT_TOKENS = 16


class MockEngine:
    """Answers web workers by the wire protocol."""

    def __init__(self, endpoint: str) -> None:
        self._left: dict[bytes, dict[int, list[int]]] = defaultdict(dict)
        """Tokens left to send of each choice, by web worker and request id."""
        self._router = Router(endpoint, self._on_message, self._on_gone)
        self._work = asyncio.Event()
        self._words = itertools.cycle(WORDS)
        self._welcome = wire.Welcome(
            major=wire.MAJOR,
            minor=wire.MINOR,
            instance=uuid.uuid4().hex,
            pid=os.getpid(),
            load=wire.Load(ready=True, stage="ready", progress=1.0),
            model="mock",
            served_names=["mock"],
            fingerprint="mock",
            max_model_len=1 << 20,
            features=[wire.FRAMES],
        )

    async def run(self, steps_per_second: float) -> None:
        """Make steps at this rate while there are requests, endlessly."""
        due = 0.0
        while True:
            await self._work.wait()
            now = time.perf_counter()
            if steps_per_second:
                due = max(due + 1 / steps_per_second, now)
                await asyncio.sleep(due - now)
            else:
                await asyncio.sleep(0)
            self._step()

    def close(self) -> None:
        self._router.close()

    def _on_message(self, client: bytes, payload: Payload) -> None:
        match wire.decode_to_engine(payload):
            case wire.Hello():
                self._router.send(client, wire.encode(self._welcome))
            case wire.Ping():
                load = self._welcome.load
                self._router.send(client, wire.encode(wire.Pong(instance=self._welcome.instance, load=load)))
            case wire.Generate() as generate:
                tokens = generate.sampling.max_tokens
                self._router.send(client, wire.encode(wire.Accepted(id=generate.id, prompt_tokens=1)))
                if generate.stream:
                    self._left[client][generate.id] = [DEFAULT_TOKENS if tokens is None else tokens] * generate.choices
                    self._work.set()
                else:
                    self._answer(client, generate)
            case wire.Abort() as abort:
                for request_id in abort.ids:
                    self._left[client].pop(request_id, None)

    def _on_gone(self, client: bytes) -> None:
        self._left.pop(client, None)

    def _answer(self, client: bytes, generate: wire.Generate) -> None:
        tokens = generate.sampling.max_tokens or DEFAULT_TOKENS
        text = "".join(itertools.islice(self._words, tokens))
        whole = [
            wire.Delta(generate.id, index, text, list(range(tokens)), "length") for index in range(generate.choices)
        ]
        self._router.send(client, wire.encode(wire.Deltas(batch=whole)))

    def _step(self) -> None:
        word = next(self._words)
        for client, requests in list(self._left.items()):
            batch = []
            for request_id, choices in list(requests.items()):
                for index, left in enumerate(choices):
                    if left > 0:
                        choices[index] = left - 1
                        batch.append(wire.Delta(request_id, index, word, [7], "length" if left == 1 else None))
                if not any(choices):
                    del requests[request_id]
            if batch:
                self._router.send(client, wire.encode(wire.Deltas(batch=batch)))
            else:
                del self._left[client]  # it has no request left
        if not self._left:
            self._work.clear()


async def main(endpoint: str, steps_per_second: float) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    engine = MockEngine(endpoint)
    steps = asyncio.create_task(engine.run(steps_per_second))
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({steps, stopped}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        steps.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await steps
        engine.close()


if __name__ == "__main__":
    die_with_parent()
    parser = argparse.ArgumentParser(prog="python -m bench.mock_engine", description=__doc__)
    parser.add_argument("endpoint", help="address to listen at, ipc:///path or tcp://127.0.0.1:port")
    parser.add_argument("steps_per_second", type=float, help="0: as many as possible")
    args = parser.parse_args()
    asyncio.run(main(args.endpoint, args.steps_per_second))
