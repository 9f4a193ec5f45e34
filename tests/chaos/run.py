"""One run: clients, faults, and the account of what became of every request."""

import asyncio
import random
import re
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

import httpx

from tests.chaos.client import Client, Cut, Lost, Refused
from tests.chaos.faults import Faults
from tests.chaos.kinds import Kind, Kinds, all_kinds, killer
from tests.harness import Hearth, until

CLIENTS = 10
GIVE_UP_SECONDS, GIVE_UP_WITH_KILLERS = 300.0, 900.0
"""A client that has heard nothing, not even a ping, for so long has lost its request. Each killer costs some loads."""
SETTLE_SECONDS = 120.0
"""After the last answer, what the dead have left behind must be gone by then: the streams, too, that nobody reads."""
MOVED = re.compile(r"goes on in this worker, after [1-9]")


@dataclass
class Account:
    """What became of all requests."""

    seed: int
    sent: Counter[str] = field(default_factory=Counter)
    answered: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    """By status and code."""
    cut: int = 0
    """By the end of the web worker that held the connection, or while no web tier ran: nobody could answer."""
    wrong: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    """Neither answered nor refused."""
    leaked: int = 0
    """Requests still live in the engine when every client has its answer."""
    engines_lost: int = 0
    """By faults; those that killers have ended are not among them."""
    resumed: int = 0
    """How many times a request was stranded."""
    moved: int = 0
    """How many times a job that had begun went on in another web worker."""
    longest_gap: float = 0.0
    """Seconds between two pieces of one stream."""

    @property
    def good(self) -> bool:
        return not self.wrong and not self.lost and not self.leaked

    def lines(self) -> list[str]:
        refused = ", ".join(f"{count} x {what}" for what, count in sorted(self.refused.items())) or "none"
        kinds = [
            ", ".join(f"{count} {name}" for name, count in sorted(each.items())) for each in (self.sent, self.answered)
        ]
        return [
            f"seed           {self.seed}",
            f"sent           {self.sent.total()} ({kinds[0]})",
            f"answered       {self.answered.total()} ({kinds[1]})",
            f"refused        {self.refused.total()} ({refused})",
            f"cut            {self.cut} (their web worker was killed, or no web tier ran)",
            f"engines lost   {self.engines_lost}",
            f"resumed        {self.resumed}",
            f"jobs moved     {self.moved}",
            f"wrong          {len(self.wrong)} {self.wrong[:5] or ''}",
            f"lost           {len(self.lost)} {self.lost[:5] or ''}",
            f"leaked         {self.leaked}",
            f"longest gap    {self.longest_gap:.1f} s between two pieces of a stream",
        ]


class Run:
    def __init__(self, hearth: Hearth, seed: int, say: Callable[[str], None]) -> None:
        self._hearth = hearth
        self._seed = seed
        self._say = say
        self._stop = False
        self.account = Account(seed)

    async def go(
        self, seconds: float, *, web_every: float, engine_after: float, killer_every: float | None = None
    ) -> Account:
        """Returns when every client has the last of its answers. Raises nothing for what the faults have done.

        `killer_every`: seconds between two requests that kill engines, on average. With them, there are abusive ones.
        """
        resumed, moved = self._resumed(), self._moved()
        patience = GIVE_UP_WITH_KILLERS if killer_every else GIVE_UP_SECONDS
        async with httpx.AsyncClient(base_url=self._hearth.url, timeout=patience) as http:
            one = Client(http, random.Random(self._seed), time.monotonic, patience)
            kinds = await all_kinds(one, rough=killer_every is not None)
            faults = Faults(self._hearth, random.Random(self._seed), self._say)
            dice = [random.Random(f"{self._seed} {n}") for n in range(CLIENTS)]
            clients = [Client(http, each, time.monotonic, patience) for each in dice]
            work = [asyncio.create_task(self._work(client, kinds, faults)) for client in clients]
            if killer_every is not None:
                work.append(asyncio.create_task(self._kill(one, faults, killer_every)))
            trouble = asyncio.create_task(faults.run(web_every, engine_after))
            await asyncio.wait([trouble], timeout=seconds)
            self._stop = True
            faults.stop.set()
            await trouble
            self._say("no more faults; waiting for the last answers")
            await asyncio.gather(*work)
        self.account.engines_lost = faults.engines_lost
        self.account.longest_gap = max(client.longest_gap for client in clients)
        self.account.resumed = self._resumed() - resumed
        self.account.moved = self._moved() - moved
        await asyncio.to_thread(self._look_for_leaks)
        return self.account

    async def _work(self, client: Client, kinds: Kinds, faults: Faults) -> None:
        while not self._stop:
            name = client.dice.choice(list(kinds))
            await self._ask(name, kinds[name], client, faults)

    async def _kill(self, client: Client, faults: Faults, every: float) -> None:
        """Send one killer after the other. The next waits for its turn after the verdict on the one before."""
        while await faults.calm(every * client.dice.uniform(0.5, 1.5)):
            self._say("send a request that kills the engine")
            await self._ask("killer", killer, client, faults)

    async def _ask(self, name: str, kind: Kind, client: Client, faults: Faults) -> None:
        self.account.sent[name] += 1
        began = time.monotonic()
        try:
            right = await kind(client)
        except Refused as refusal:
            self.account.refused[str(refusal)] += 1
            if refusal.blamed:
                self.account.wrong.append(f"{name}, blamed for the death of an engine")
            await asyncio.sleep(client.dice.uniform(0.5, 1.5))
        except (httpx.TransportError, Cut) as error:
            if any(began <= gone for gone in faults.web_gone_at):
                self.account.cut += 1
            else:
                self.account.lost.append(f"{name}: {error!r} after {time.monotonic() - began:.1f} s")
            await asyncio.sleep(client.dice.uniform(0.5, 1.5))
        except Lost as lost:
            self.account.lost.append(f"{name}: {lost}")
        except AssertionError as error:
            self.account.wrong.append(f"{name}: {str(error)[:500]}")
        else:
            self.account.answered[name] += 1
            if not right:
                self.account.wrong.append(name)

    def _resumed(self) -> int:
        return self._hearth.web_log.read_text().count("is stranded: its engine was lost")

    def _moved(self) -> int:
        return len(MOVED.findall(self._hearth.web_log.read_text()))

    def _look_for_leaks(self) -> None:
        self._hearth.wait_ready()
        try:
            until(lambda: self._hearth.live() == 0, SETTLE_SECONDS, "no request is live")
        except AssertionError:
            self.account.leaked = self._hearth.live()
