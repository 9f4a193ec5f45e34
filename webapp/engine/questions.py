"""Questions to the engine, such as for its statistics: one answer serves all greenlets that ask at a time."""

import math
import time
from collections.abc import Callable
from typing import Any, TypeVar

import gevent
from gevent.event import AsyncResult

from schemas import wire

ASK_SECONDS = 2.0
"""How many seconds the engine has to answer."""
CACHE_SECONDS = 0.5
"""How many seconds an answer is used again, so that many open status pages cost the engine little."""

Answer = TypeVar("Answer", bound=wire.Message)


class Questions:
    """The questions that wait for an answer, and the last answers."""

    def __init__(self, send: Callable[[bytes], object]) -> None:
        """`send` sends a message to the engine."""
        self._send = send
        self._pending: dict[tuple[type[wire.Message], str], AsyncResult[Any]] = {}
        """Answers that are waited for, by their type and their `name`, where they have one."""
        self._cache: dict[type[wire.Message], tuple[float, Any]] = {}
        """Answers, each with the time when it was received."""

    def ask(self, question: wire.Message, kind: type[Answer], name: str = "") -> Answer | None:
        """Send `question` and return the engine's answer, a message of type `kind`. None: none in `ASK_SECONDS`.

        An answer received less than `CACHE_SECONDS` ago is returned at once; not one that has a `name`, which is that
        of an order.
        """
        received_at, cached = self._cache.get(kind, (-math.inf, None))
        if not name and time.monotonic() - received_at < CACHE_SECONDS:
            return cached  # type: ignore[no-any-return]
        pending = self._pending.setdefault((kind, name), AsyncResult())
        self._send(wire.encode(question))
        try:
            answer: Answer = pending.get(timeout=ASK_SECONDS)
        except gevent.Timeout:
            if name:
                self._pending.pop((kind, name), None)
            return None
        if not name:
            self._cache[kind] = time.monotonic(), answer
        return answer

    def on_message(self, message: wire.Message) -> None:
        """Answer those who wait for a message of this type."""
        if (pending := self._pending.pop((type(message), getattr(message, "name", "")), None)) is not None:
            pending.set(message)
