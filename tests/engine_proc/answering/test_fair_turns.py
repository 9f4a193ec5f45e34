"""Slow work of several API keys: each key has its turn, and no turn is lost."""

import asyncio

from engine_proc.answering.fair_turns import FairTurns
from tests.engine_proc.helpers import on_a_loop


class Work:
    """Pieces of work that last until they are told to end, and the order in which they began."""

    def __init__(self, at_once: int) -> None:
        self.turns = FairTurns(at_once)
        self.began: list[str] = []
        self._ends: list[asyncio.Event] = []

    async def _one(self, key: str, end: asyncio.Event) -> None:
        async with self.turns.turn(key):
            self.began.append(key)
            await end.wait()

    async def ask(self, *keys: str) -> "list[asyncio.Task[None]]":
        ends = [asyncio.Event() for _ in keys]
        tasks = [asyncio.create_task(self._one(key, end)) for key, end in zip(keys, ends, strict=True)]
        self._ends += ends
        await settled()
        return tasks

    async def end_all(self) -> None:
        for end in self._ends:
            end.set()
        await settled()


async def settled() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


@on_a_loop
async def test_no_more_run_than_may() -> None:
    work = Work(2)
    tasks = await work.ask("a", "b", "c")
    assert work.began == ["a", "b"]
    await work.end_all()
    assert work.began == ["a", "b", "c"]
    assert all(task.done() for task in tasks)
    await work.ask("d", "e")
    assert work.began[3:] == ["d", "e"]


@on_a_loop
async def test_the_key_that_has_fewest_is_next() -> None:
    work = Work(1)
    await work.ask("a", "a", "a", "b", "b", "c")
    await work.end_all()
    assert work.began == ["a", "a", "b", "c", "a", "b"]

    work = Work(2)
    await work.ask("a", "a", "a", "b")
    work._ends[0].set()
    await settled()
    assert work.began == ["a", "a", "b"]


@on_a_loop
async def test_who_gives_up_takes_no_turn() -> None:
    work = Work(1)
    _, waiting, _ = await work.ask("a", "b", "c")
    waiting.cancel()
    await settled()
    await work.end_all()
    assert work.began == ["a", "c"]
    _, given, _ = await work.ask("d", "e", "f")
    assert work.began[2:] == ["d"]
    work._ends[-3].set()
    await asyncio.sleep(0)  # it ends, and the next is given its turn
    given.cancel()
    await work.end_all()
    assert work.began[2:] in (["d", "f"], ["d", "e", "f"])
    await work.ask("g")
    assert work.began[-1] == "g"
