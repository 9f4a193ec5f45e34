"""The kinds of request that the load is made of, and what each may bring."""

import json
import random
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

from tests.abuse.requests import SHORT
from tests.e2e.killing import AT_ONCE, LATE, killing_body
from tests.e2e.mixture import CHAT, REQUESTS, STORY, TEXT, gather, told_whole
from tests.harness import JSON, chat_body, endless

ABUSIVE = [abuse for abuse in SHORT if abuse.name != "prompts: 2,048 short"]
"""Without the one that the engine works on for as long as it usually lives here."""
MALFORMED = (b"", b"{", b'{"messages": 5}', b'{"messages": []}', b'{"prompt": "x", "temperature": "hot"}', b"\xff\xfe")


class Refused(Exception):
    """An error in OpenAI's envelope, with its status or, within a stream, its code alone."""

    def __init__(self, status: int, error: dict[str, Any]) -> None:
        super().__init__(f"{status} {error['code']}")
        self.status = status
        self.code = error["code"]


class Cut(Exception):
    """The answer ended without its end."""


@dataclass(slots=True)
class Client:
    """One simulated client, and the longest time that it has waited for the next piece of a stream."""

    http: httpx.AsyncClient
    dice: random.Random
    clock: Callable[[], float]
    longest_gap: float = 0.0

    async def ask(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """The answer as `tests.e2e.mixture` has it. Raises `Refused`, `Cut` or what httpx raises."""
        if not body.get("stream"):
            response = await self.http.post(path, json=body)
            whole: dict[str, Any] = response.json()
            if response.status_code != 200:
                raise Refused(response.status_code, whole["error"])
            return told_whole(whole, path)
        return gather(await self._events(path, body), path)

    async def _events(self, path: str, body: dict[str, Any]) -> list[dict[str, Any]]:
        events: list[dict[str, Any]] = []
        async with self.http.stream("POST", path, json=body) as response:
            if response.status_code != 200:
                raise Refused(response.status_code, json.loads(await response.aread())["error"])
            heard = self.clock()
            async for line in response.aiter_lines():
                if line == "data: [DONE]":
                    return events
                if line.startswith("data: "):
                    self.longest_gap, heard = max(self.longest_gap, self.clock() - heard), self.clock()
                    events.append(json.loads(line.removeprefix("data: ")))
                    if "error" in events[-1]:
                        raise Refused(200, events[-1]["error"])
        raise Cut


async def malformed(client: Client) -> bool:
    """A body that no schema takes. Right is a 400."""
    path, body = client.dice.choice((CHAT, TEXT)), client.dice.choice(MALFORMED)
    response = await client.http.post(path, content=body, headers=JSON)
    return response.status_code == 400 and "error" in response.json()


async def left_early(client: Client) -> bool:
    """A client that goes after the first bytes. Nothing can be wrong; what it leaves behind is counted at the end."""
    async with client.http.stream("POST", CHAT, json={**endless(n=2), "stream": True}) as response:
        if response.status_code != 200:
            raise Refused(response.status_code, json.loads(await response.aread())["error"])
        async for _ in response.aiter_raw(64):
            break
    return True


async def conversation(client: Client) -> bool:
    """Two turns; the second knows what the first has said."""
    name = f"chaos-{client.dice.getrandbits(64):x}"
    await client.ask(CHAT, chat_body("我叫小明。", conversation_id=name))
    answer = await client.ask(CHAT, chat_body("我叫什么名字？", conversation_id=name))
    return bool(answer["texts"] == {0: "你叫小明。"})


async def abusive(client: Client) -> bool:
    """One of the requests of `make abuse`. Right is the work within its limits, or a refusal."""
    abuse = client.dice.choice(ABUSIVE)
    response = await client.http.post(abuse.path, content=abuse.body(), headers=JSON)
    if response.status_code in (429, 503):
        raise Refused(response.status_code, response.json()["error"])
    return response.status_code in abuse.statuses


async def killer(client: Client) -> bool:
    """A request that kills each engine that runs it. Right is that it ends with an error that says so."""
    mark, stream = client.dice.choice((AT_ONCE, LATE)), client.dice.random() < 0.5
    try:
        await client.ask(CHAT, killing_body(mark, stream=stream))
    except Refused as refusal:
        if refusal.code == "engine_lost":
            return True
        raise
    return False


SCORING: dict[str, Any] = {"prompt": STORY, "echo": True, "max_tokens": 0, "logprobs": 1, "temperature": 0}
Kind = Callable[[Client], Awaitable[bool]]
Kinds = dict[str, Kind]
FIXED: dict[str, tuple[str, dict[str, Any]]] = {**REQUESTS, "scoring": (TEXT, SCORING)}
"""Requests that have one right answer, which is asked for before anything is killed."""


def fixed(path: str, body: dict[str, Any], expected: dict[str, Any]) -> Kind:
    async def run(client: Client) -> bool:
        return await client.ask(path, body) == expected

    return run


async def all_kinds(client: Client, *, rough: bool) -> Kinds:
    """Each returns whether the answer was right. With `rough`, abusive requests are among them."""
    kinds = {name: fixed(path, body, await client.ask(path, body)) for name, (path, body) in FIXED.items()}
    kinds |= {"malformed": malformed, "left early": left_early, "conversation": conversation}
    return {**kinds, "abusive": abusive} if rough else kinds
