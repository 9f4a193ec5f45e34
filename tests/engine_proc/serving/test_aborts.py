"""Thousands of sequences are aborted a few in a turn of the loop."""

import asyncio
import itertools
from collections.abc import Iterable
from pathlib import Path
from typing import Any, cast

import pytest

from engine_proc.serving.aborts import AT_ONCE, Aborts
from tests.engine_proc.helpers import eventually, on_a_loop
from tests.engine_proc.stand_ins import Room


class Engine:
    def __init__(self) -> None:
        self.calls: list[list[str]] = []
        self.fails = 0

    async def abort(self, keys: Iterable[str]) -> None:
        self.calls.append(list(keys))
        if self.fails:
            self.fails -= 1
            raise RuntimeError("EngineCore is gone")


@on_a_loop
async def test_a_turn_aborts_no_more_than_its_share(tmp_path: Path) -> None:
    aborts, engine = Aborts(), Engine()
    keys = [str(number) for number in range(10 * AT_ONCE + 1)]
    for key in keys:
        aborts.add(cast(Any, engine), [key])
    seen = []
    while sum(map(len, engine.calls)) < len(keys):
        seen.append(len(engine.calls))
        await asyncio.sleep(0)
    assert [key for call in engine.calls for key in call] == keys
    assert max(map(len, engine.calls)) == AT_ONCE
    assert all(after - before <= 1 for before, after in itertools.pairwise(seen))


@on_a_loop
async def test_an_abort_that_fails_keeps_no_other_from_it(caplog: pytest.LogCaptureFixture) -> None:
    aborts, engine = Aborts(), Engine()
    engine.fails = 1
    keys = [str(number) for number in range(2 * AT_ONCE + 1)]
    aborts.add(cast(Any, engine), keys)
    await eventually(lambda: [key for call in engine.calls for key in call] == keys, "all are tried, without another")
    assert f"{AT_ONCE} sequences could not be aborted" in caplog.text and "EngineCore is gone" in caplog.text
    aborts.add(cast(Any, engine), ["b"])
    await eventually(lambda: ["b"] in engine.calls, "a later one too")


@on_a_loop
async def test_the_requests_of_a_worker_that_is_gone_share_messages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path, max_queue=40)
    keys = [key for number in range(20) for key in await room.start(number)]
    calls: list[list[str]] = []

    async def abort(keys: Iterable[str]) -> None:
        calls.append(list(keys))

    monkeypatch.setattr(room.engine, "abort", abort)
    room.server.abort_client(b"ann", "it is gone")
    await eventually(lambda: calls, "they are aborted")
    assert calls == [keys]
