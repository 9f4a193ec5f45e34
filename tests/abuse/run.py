"""Four innocent streams beside each abusive request, and what they, the processes and the client noticed."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from tests import turns
from tests.abuse.abuse import Abuse
from tests.harness import JSON, Hearth

INNOCENTS = 4
ABUSE_SECONDS = 120.0
"""An answer that takes longer is no answer."""
MB = 1_000_000
MOST_GROWN_MB = 200.0
MOST_GAP = 30.0
"""Seconds that an innocent may wait for its next piece. This finds a hang, and measures nothing.

An engine on a CPU computes one step at a time, so an abusive prompt's prefill, or the log probabilities of a long one,
holds the innocents up for as long as the cores take: some seconds on two cores, and longer beside other work. What the
product itself may take is counted in CPU time, as the turns of the two loops.
"""
COLUMNS = (
    "request",
    "status",
    "seconds",
    "longest gap of an innocent, s",
    "innocents hurt",
    "MB at the peak",
    "MB kept",
    "longest turn of a hub, ms of CPU",
    "longest turn of the engine's loop",
)


@dataclass
class Row:
    """What one abusive request came to."""

    name: str
    status: int
    seconds: float
    gap: float
    """The longest time in seconds that an innocent stream waited for its next piece."""
    errors: int
    """Innocent streams that were cut or got an error."""
    peak: float
    """MB that the process which grew most had more than before, at its peak."""
    kept: float
    """The same, when the request is over."""
    slow: list[turns.SlowTurn]
    """Turns of both tiers' loops that were recorded during the request."""

    @property
    def cells(self) -> tuple[str, ...]:
        loops = (turns.longest(self.slow, tier) for tier in ("web", "engine"))
        return (
            self.name,
            str(self.status),
            f"{self.seconds:.1f}",
            f"{self.gap:.2f}",
            str(self.errors),
            f"{self.peak:+.0f}",
            f"{self.kept:+.0f}",
            *(f"{longest:.0f}" if longest else f"< {turns.RECORDED_MS}" for longest in loops),
        )

    def faults(self, abuse: Abuse) -> Iterator[str]:
        """Yield what must not be."""
        if self.status not in abuse.statuses:
            yield f"{self.name}: status {self.status} after {self.seconds:.0f} s"
        if self.errors:
            yield f"{self.name}: {self.errors} innocent streams were hurt"
        if self.gap > MOST_GAP:
            yield f"{self.name}: an innocent stream waited for {self.gap:.0f} s"
        if self.peak > MOST_GROWN_MB:
            yield f"{self.name}: a process grew by {self.peak:.0f} MB"
        yield from (f"{self.name}: {turn}" for turn in self.slow if turn.ms > turns.LIMIT_MS)


class Innocents:
    """Streams that go on one after another, and remember what went wrong."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self._gap = 0.0
        self._waiting_since: dict[int, float] = {}
        """By stream: when it got its last piece, or was begun."""
        self.errors: list[str] = []
        self.pieces = 0
        self._tasks = [asyncio.create_task(self._stream_on(number)) for number in range(INNOCENTS)]

    async def _stream_on(self, number: int) -> None:
        body = {
            "messages": [{"role": "user", "content": f"Count from {number} to 100."}],
            "stream": True,
            "max_tokens": 1500,
            "ignore_eos": True,
            "top_p": 1,  # for another one, vLLM on a CPU sorts the vocabulary for each sequence of the step: 13 ms each
        }
        while True:
            self._waiting_since[number] = time.monotonic()
            try:
                async with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
                    await self._read(number, response)
            except httpx.HTTPError as error:
                self.errors.append(repr(error))
                await asyncio.sleep(1)

    async def _read(self, number: int, response: httpx.Response) -> None:
        if response.status_code != 200:
            self.errors.append(f"{response.status_code} {(await response.aread())[:200]!r}")
            await asyncio.sleep(1)
            return
        done = False
        async for line in response.aiter_lines():
            now = time.monotonic()
            self._gap = max(self._gap, now - self._waiting_since[number])
            self._waiting_since[number] = now
            self.pieces += 1
            done = done or line == "data: [DONE]"
            if line.startswith('data: {"error"'):
                self.errors.append(line[:200])
        if not done:
            self.errors.append("cut")

    def take_gap(self) -> float:
        """Return the longest wait for a piece since the last call, in seconds: one that goes on counts, too."""
        now = time.monotonic()
        gap = max([self._gap, *(now - since for since in self._waiting_since.values())])
        self._gap = 0.0
        return gap

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def abuse_all(hearth: Hearth, abuses: Iterable[Abuse], say: Callable[[str], None]) -> list[Row]:
    """Send `abuses` one after another, and return a row for each."""
    rows: list[Row] = []
    records = turns.Records()
    records.add(hearth.run_dir)
    async with httpx.AsyncClient(base_url=hearth.url, timeout=ABUSE_SECONDS) as http:
        innocents = Innocents(http)
        while innocents.pieces < 10 * INNOCENTS:
            await asyncio.sleep(0.1)
        for abuse in abuses:
            rows.append(await _one(hearth, http, innocents, abuse, records))
            say("\n    ".join([" | ".join(rows[-1].cells), *rows[-1].faults(abuse)]))
        await innocents.stop()
    return rows


def check_nobody_is_hurt(hearth: Hearth, abuses: Sequence[Abuse]) -> None:
    """Send `abuses`, and fail if one of them hurts somebody."""
    identity = hearth.identity()
    assert faults(asyncio.run(abuse_all(hearth, abuses, print)), abuses) == []
    assert hearth.identity() == identity, "the model was loaded again"


async def _one(
    hearth: Hearth, http: httpx.AsyncClient, innocents: Innocents, abuse: Abuse, records: turns.Records
) -> Row:
    body = await asyncio.to_thread(abuse.body)
    records.take()
    before = {process.pid: _resident(process) for process in _processes(hearth) if _forget_peak(process)}
    innocents.take_gap()
    errors, began = len(innocents.errors), time.monotonic()
    try:
        response = await (abuse.send(http) if abuse.send else http.post(abuse.path, content=body, headers=JSON))
        status = response.status_code
        if status >= 400:
            assert len(json.loads(response.content)["error"]["message"]) < 2000
    except httpx.TransportError:  # a body that is too large is refused before it is read
        status = 413 if len(body) > 16 * 1024 * 1024 else 0
    except TimeoutError:  # what it waits for has not ended
        status = 0
    seconds = time.monotonic() - began
    pieces = innocents.pieces
    while innocents.pieces < pieces + INNOCENTS and time.monotonic() - began < ABUSE_SECONDS:
        await asyncio.sleep(0.05)
    after = [process for process in _processes(hearth) if process.pid in before]
    return Row(
        name=abuse.name,
        status=status,
        seconds=seconds,
        gap=innocents.take_gap(),
        errors=len(innocents.errors) - errors,
        peak=max((_resident(process, "VmHWM") - before[process.pid] for process in after), default=0.0),
        kept=max((_resident(process) - before[process.pid] for process in after), default=0.0),
        slow=records.take(),
    )


def _processes(hearth: Hearth) -> list[psutil.Process]:
    """Return the web workers, the model process, and those of vLLM."""
    model = psutil.Process(hearth.welcome().pid)
    return [*hearth.workers(), model, *model.children(recursive=True)]


def _forget_peak(process: psutil.Process) -> bool:
    """Make the kernel measure a process's peak of resident memory anew. False: the process has just ended."""
    try:
        Path(f"/proc/{process.pid}/clear_refs").write_text("5")
    except OSError:
        return False
    return True


def _resident(process: psutil.Process, measure: str = "VmRSS") -> float:
    """Return the resident memory of a process in MB, or at its peak (`VmHWM`). 0: it has just ended."""
    try:
        lines = Path(f"/proc/{process.pid}/status").read_text().splitlines()
    except OSError:
        return 0.0
    return next((int(line.split()[1]) * 1024 / MB for line in lines if line.startswith(f"{measure}:")), 0.0)


def faults(rows: Iterable[Row], abuses: Iterable[Abuse]) -> list[str]:
    """What must not be: each with the request that it came beside."""
    return [fault for row, abuse in zip(rows, abuses, strict=True) for fault in row.faults(abuse)]
