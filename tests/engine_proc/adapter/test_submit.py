"""Submitting a sequence to EngineCore."""

import threading
from types import SimpleNamespace
from typing import Any

from engine_proc.adapter.engine import Engine
from tests.engine_proc.helpers import on_a_loop


@on_a_loop
async def test_the_tokens_of_a_resumed_sequence_are_detokenised_in_a_thread() -> None:
    """They may be a hundred thousand."""
    threads: list[threading.Thread] = []
    submitted: list[Any] = []

    def resume(sequence: Any, prepared: Any, sent: list[int]) -> list[int]:
        threads.append(threading.current_thread())
        return sent

    async def add_request(request: Any) -> None:
        submitted.append(request)

    engine: Any = Engine.__new__(Engine)
    engine._live = {}
    engine.sequences = SimpleNamespace(begin=lambda *args: "sequence", resume=resume)
    engine._core = SimpleNamespace(add_request_async=add_request)
    assert await engine.submit("tag", SimpleNamespace(request_id="7"), sent=[1, 2]) == "7"
    assert submitted == [[1, 2]]
    assert engine._live == {"7": "sequence"}
    assert threads
    assert threading.main_thread() not in threads
