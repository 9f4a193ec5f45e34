"""Four innocent streams beside each abusive request, and what they, the processes and the client noticed."""

import asyncio
import json
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import httpx
import psutil

from tests.abuse.requests import Abuse
from tests.harness import JSON, Hearth, processes_of

INNOCENTS = 4
ABUSE_SECONDS = 120.0
"""An answer that takes longer is no answer."""
MB = 1_000_000


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
    grown: float
    """MB that the process which grew most has more than before, when the request is over."""

    @property
    def cells(self) -> tuple[str, ...]:
        grown = f"{self.grown:+.0f}"
        return self.name, str(self.status), f"{self.seconds:.1f}", f"{self.gap:.2f}", str(self.errors), grown


class Innocents:
    """Streams that go on one after another, and remember what went wrong."""

    def __init__(self, http: httpx.AsyncClient) -> None:
        self._http = http
        self.gap = 0.0
        self.errors: list[str] = []
        self.pieces = 0
        self._tasks = [asyncio.create_task(self._stream_on(number)) for number in range(INNOCENTS)]

    async def _stream_on(self, number: int) -> None:
        body = {
            "messages": [{"role": "user", "content": f"Count from {number} to 100."}],
            "stream": True,
            "max_tokens": 1500,
            "ignore_eos": True,
        }
        while True:
            try:
                async with self._http.stream("POST", "/v1/chat/completions", json=body) as response:
                    await self._read(response)
            except httpx.HTTPError as error:
                self.errors.append(repr(error))
                await asyncio.sleep(1)

    async def _read(self, response: httpx.Response) -> None:
        if response.status_code != 200:
            self.errors.append(f"{response.status_code} {(await response.aread())[:200]!r}")
            await asyncio.sleep(1)
            return
        last, done = time.monotonic(), False
        async for line in response.aiter_lines():
            now = time.monotonic()
            self.gap, last = max(self.gap, now - last), now
            self.pieces += 1
            done = done or line == "data: [DONE]"
            if line.startswith('data: {"error"'):
                self.errors.append(line[:200])
        if not done:
            self.errors.append("cut")

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)


async def abuse_all(hearth: Hearth, abuses: Iterable[Abuse], say: Callable[[str], None]) -> list[Row]:
    """Send `abuses` one after another, and return a row for each."""
    rows: list[Row] = []
    async with httpx.AsyncClient(base_url=hearth.url, timeout=ABUSE_SECONDS) as http:
        innocents = Innocents(http)
        while innocents.pieces < 10 * INNOCENTS:
            await asyncio.sleep(0.1)
        for abuse in abuses:
            rows.append(await _one(hearth, http, innocents, abuse))
            say(" ".join(rows[-1].cells))
        await innocents.stop()
    return rows


async def _one(hearth: Hearth, http: httpx.AsyncClient, innocents: Innocents, abuse: Abuse) -> Row:
    body = await asyncio.to_thread(abuse.body)
    before = _sizes(hearth)
    innocents.gap, errors, began = 0.0, len(innocents.errors), time.monotonic()
    try:
        response = await http.post(abuse.path, content=body, headers=JSON)
        status = response.status_code
        if status >= 400:
            assert len(json.loads(response.content)["error"]["message"]) < 2000
    except httpx.TransportError:  # a body that is too large is refused before it is read
        status = 413 if len(body) > 16 * 1024 * 1024 else 0
    seconds = time.monotonic() - began
    pieces = innocents.pieces
    while innocents.pieces < pieces + INNOCENTS and time.monotonic() - began < ABUSE_SECONDS:
        await asyncio.sleep(0.05)
    after = _sizes(hearth)
    grown = max((after[pid] - before[pid] for pid in before if pid in after), default=0.0)
    return Row(abuse.name, status, seconds, innocents.gap, len(innocents.errors) - errors, grown / MB)


def _sizes(hearth: Hearth) -> dict[int, float]:
    """Resident bytes of all processes, by pid."""
    sizes = {}
    for process in processes_of(str(hearth.run_dir)):
        try:
            sizes[process.pid] = float(process.memory_info().rss)
        except psutil.Error:
            continue
    return sizes


def faults(rows: Iterable[Row], abuses: Iterable[Abuse]) -> list[str]:
    """What must not be: each with the request that it came beside."""
    found = []
    for row, abuse in zip(rows, abuses, strict=True):
        if row.status not in abuse.statuses:
            found.append(f"{row.name}: status {row.status} after {row.seconds:.0f} s")
        if row.errors:
            found.append(f"{row.name}: {row.errors} innocent streams were hurt")
        if row.grown > 200:
            found.append(f"{row.name}: a process grew by {row.grown:.0f} MB")
    return found
