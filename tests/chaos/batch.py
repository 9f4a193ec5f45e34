"""A batch of many lines while every process is killed: each line must have one result, the right one, in its place."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from tests.chaos.client import Client
from tests.chaos.durable import BATCH_LIVE, batch_answers, batch_lines, content, make_batch, results
from tests.chaos.faults import (
    Fault,
    Faults,
    kill_a_web_worker,
    kill_the_engine_core,
    kill_the_master,
    kill_the_model_process,
    kill_the_supervisor,
)
from tests.harness import Hearth

WEB_KILLS: list[Fault] = [kill_a_web_worker, kill_the_master] * 2
ENGINE_KILLS: list[Fault] = [kill_the_supervisor, kill_the_model_process, kill_the_engine_core] * 2
MAX_TOKENS = 8
PATIENCE_SECONDS = 1800.0
LOOK_SECONDS = 0.2


@dataclass
class BatchAccount:
    """What became of all lines."""

    seed: int
    total: int
    status: str = ""
    counts: dict[str, int] = field(default_factory=dict)
    kills: list[str] = field(default_factory=list)
    """Each with the number of results at that time."""
    outputs: int = 0
    twice: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    failed: str = ""
    """The file of errors."""
    seconds: float = 0.0

    @property
    def good(self) -> bool:
        whole = {"total": self.total, "completed": self.total, "failed": 0}
        bad = self.twice or self.lost or self.wrong or self.failed
        return self.status == "completed" and self.counts == whole and self.outputs == self.total and not bad

    def lines(self) -> list[str]:
        return [
            f"seed           {self.seed}",
            f"lines          {self.total}",
            f"kills          {len(self.kills)} ({', '.join(self.kills)})",
            f"batch          {self.status} after {self.seconds:.0f} s: {self.counts}",
            f"outputs        {self.outputs}",
            *(f"{name:<14} {len(found)} {found[:5] or ''}" for name, found in self._faults().items()),
            f"failed         {self.failed.count(chr(10))} {self.failed[:1000]}",
        ]

    def _faults(self) -> dict[str, list[str]]:
        return {"twice": self.twice, "lost": self.lost, "wrong": self.wrong}


async def run_batch(hearth: Hearth, total: int, seed: int, say: Callable[[str], None]) -> BatchAccount:
    """Have `total` lines answered, and kill each kind of process twice meanwhile, in a random order."""
    account, dice = BatchAccount(seed, total), random.Random(seed)
    faults = Faults(hearth, dice, say)
    async with httpx.AsyncClient(base_url=hearth.url, timeout=PATIENCE_SECONDS) as http:
        client = Client(http, dice, time.monotonic, PATIENCE_SECONDS)
        expected = await batch_answers(client, total, MAX_TOKENS)
        began = time.monotonic()
        name = await make_batch(client, batch_lines(total, MAX_TOKENS))
        kills = dice.sample(WEB_KILLS + ENGINE_KILLS, len(WEB_KILLS + ENGINE_KILLS))
        places = sorted(dice.sample(range(1, total * 9 // 10), len(kills)))
        while True:
            batch = (await client.persist("GET", f"/v1/batches/{name}")).json()
            done = batch["request_counts"]["completed"]
            if batch["status"] not in BATCH_LIVE or time.monotonic() - began > PATIENCE_SECONDS:
                break
            if kills and done >= places[len(account.kills)]:
                await _kill(faults, kills.pop(), account, done)
            await asyncio.sleep(LOOK_SECONDS)
        account.seconds = time.monotonic() - began
        account.status, account.counts = batch["status"], batch["request_counts"]
        if batch["error_file_id"]:
            account.failed = await content(client, batch["error_file_id"])
        compare(account, results(await content(client, batch["output_file_id"])), expected)
    return account


async def _kill(faults: Faults, kill: Fault, account: BatchAccount, done: int) -> None:
    if kill in WEB_KILLS:
        await faults.cut(kill)
    else:
        await faults.hit_engine(kill)
    account.kills.append(f"{kill.__name__.replace('_', ' ')} at {done}")


def compare(account: BatchAccount, found: list[tuple[str, str]], expected: list[tuple[str, str]]) -> None:
    """Note in `account` what of `expected`, the id and the text of each line, was not `found` so."""
    account.outputs = len(found)
    times = Counter(name for name, _ in found)
    texts = dict(found)
    account.twice = [name for name, count in times.items() if count > 1]
    account.lost = [name for name, _ in expected if name not in times]
    account.wrong = [name for name, text in expected if name in texts and texts[name] != text]
    if [name for name, _ in found] != [name for name, _ in expected if name in times]:
        account.wrong.append("their order")
