"""One simulated client, and what it may meet."""

import asyncio
import json
import random
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any

import httpx

from tests.e2e.mixture import LAST, gather, told_whole

Event = tuple[int | None, dict[str, Any]]
"""The number, where it has one, and the data."""
DONE: dict[str, Any] = {}
"""What stands for `[DONE]` among events."""
PAUSE_SECONDS = 0.5
"""Between two tries of what may be repeated."""


class Refused(Exception):
    """An error in its envelope, with its status; within a stream that is 200. Anthropic's errors have no code."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        self.code = error.get("code") or error["type"]
        super().__init__(f"{status} {self.code}")
        self.status = status
        self.blamed = self.code == "engine_lost" or "engines ended while they worked" in error["message"]
        """Whether it says that the request has killed engines."""


class Cut(Exception):
    """The answer ended without its end."""


class Lost(Exception):
    """What was accepted did not end."""


@dataclass(slots=True)
class Client:
    """One simulated client, and the longest time that it has waited for the next piece of a stream."""

    http: httpx.AsyncClient
    dice: random.Random
    clock: Callable[[], float]
    patience: float
    """Seconds after which it takes for lost what was accepted."""
    longest_gap: float = 0.0

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer as `tests.e2e.mixture` has it. Raises `Refused`, `Cut` or what httpx raises."""
        if not body.get("stream"):
            return told_whole(await self.post(path, json=body), path)
        async with aclosing(self.events("POST", path, json=body)) as events:
            return gather([event async for _, event in events if event is not DONE], path)

    async def post(self, path: str, **arguments: Any) -> dict[str, Any]:
        """The JSON of the answer. Raises `Refused` or what httpx raises."""
        response = await self.http.post(path, **arguments)
        whole: dict[str, Any] = response.json()
        if response.status_code != 200:
            raise Refused(response.status_code, whole["error"])
        return whole

    async def persist(self, method: str, path: str) -> httpx.Response:
        """The answer to what may be sent twice, as often as that takes. Fails if it is refused. Raises `Lost`."""
        end = self.clock() + self.patience
        while self.clock() < end:
            try:
                response = await self.http.request(method, path)
            except httpx.TransportError:
                pass
            else:
                if response.status_code == 200:
                    return response
                assert response.status_code == 503, f"{method} {path}: {response.status_code} {response.text}"
            await asyncio.sleep(PAUSE_SECONDS)
        raise Lost(f"{method} {path} is not answered")

    async def events(self, method: str, path: str, **arguments: Any) -> AsyncGenerator[Event, None]:
        """Yield the number and the data of each event to the last; `DONE` has its number, too. Pings are left out.

        Raises `Refused`, `Cut` or what httpx raises.
        """
        async with self.http.stream(method, path, **arguments) as response:
            if response.status_code != 200:
                raise Refused(response.status_code, json.loads(await response.aread())["error"])
            assert response.headers["Content-Type"].startswith("text/event-stream"), path
            heard, number = self.clock(), None
            async for line in response.aiter_lines():
                if line.startswith("id: "):
                    number = int(line.removeprefix("id: "))
                if not line.startswith("data: "):
                    continue
                data = line.removeprefix("data: ")
                event = DONE if data == "[DONE]" else json.loads(data)
                self.longest_gap, heard = max(self.longest_gap, self.clock() - heard), self.clock()
                if "error" in event and event["error"] is not None:
                    raise Refused(200, event["error"])
                if event.get("type") != "ping":
                    yield number, event
                if event is DONE or event.get("type") in LAST:
                    return
                number = None
        raise Cut
