"""Runs in threads what gives an answer to vLLM's parsers in one go: some take seconds for 20 kB."""

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from engine_proc.answering.fair_turns import FairTurns
from engine_proc.answering.live import LiveRequest, LiveTable
from schemas import wire

if TYPE_CHECKING:
    from engine_proc.adapter.outputs import Output

QUICK_CHARS = 2000
"""Longer texts have threads of their own, so that short answers do not wait for them."""
SLOW_THREADS = 2

Send = Callable[[bytes, list[wire.Delta]], Coroutine[Any, Any, None]]


class ParseThreads:
    """Turns outputs into deltas off the loop, and sends these."""

    def __init__(self, live: LiveTable, send: Send, fail: Callable[[LiveRequest, Exception], None]) -> None:
        """`send` sends a web worker's deltas. `fail` ends a request with the exception that its output has raised."""
        self._live = live
        self._send = send
        self._fail = fail
        self._quick = ThreadPoolExecutor(max_workers=1, thread_name_prefix="parse")
        self._slow = ThreadPoolExecutor(max_workers=SLOW_THREADS, thread_name_prefix="parse-slow")
        self._turns = FairTurns(SLOW_THREADS)
        self._tasks: set[asyncio.Task[None]] = set()

    def receive(self, output: "Output", chars: int) -> None:
        """Have the tag of `output`, its sequence's last, receive it in a thread. `chars`: see `Tag.to_parse`."""
        task = asyncio.create_task(self._receive(output, chars))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _receive(self, output: "Output", chars: int) -> None:
        request: LiveRequest = output.tag.request
        loop = asyncio.get_running_loop()
        try:
            if chars <= QUICK_CHARS:
                deltas = await loop.run_in_executor(self._quick, self._deltas, output)
            else:
                async with self._turns.turn(request.tenant):
                    deltas = await loop.run_in_executor(self._slow, self._deltas, output)
            if request in self._live:
                await self._send(request.client, deltas)
        except Exception as error:
            self._fail(request, error)

    def _deltas(self, output: "Output") -> list[wire.Delta]:
        """Return the deltas of `output`. None are made of an answer whose request has ended while it waited."""
        if output.tag.request not in self._live:
            return []
        try:
            deltas: list[wire.Delta] = output.tag.receive(output)
        except Exception:
            raise
        except BaseException as error:  # a panic of a parser in Rust, which would leave the request live for ever
            raise RuntimeError(f"the parser has failed: {error}") from error
        return deltas
