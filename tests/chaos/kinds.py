"""The kinds of request that the load is made of, and what each may bring."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

from tests.abuse.requests import SHORT
from tests.chaos.client import Client, Refused
from tests.chaos.durable import STORY as BACKGROUND
from tests.chaos.durable import (
    Followed,
    Polled,
    Resumed,
    SmallBatch,
    batch_answers,
    batch_lines,
    cancelled,
)
from tests.e2e.killing import AT_ONCE, LATE, killing_body
from tests.e2e.mixture import CHAT, MESSAGES, REQUESTS, RESPONSES, STORY, TALE, TEXT
from tests.harness import JSON, chat_body, endless

ABUSIVE = [abuse for abuse in SHORT if abuse.name != "prompts: 2,048 short"]
"""Without the one that the engine works on for as long as it usually lives here."""
LINES, LINE_TOKENS = 6, 16
"""Of a small batch."""
MALFORMED = (b"", b"{", b'{"messages": 5}', b'{"messages": []}', b'{"prompt": "x", "temperature": "hot"}', b"\xff\xfe")


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
    mark, form = client.dice.choice((AT_ONCE, LATE)), client.dice.choice(KILLERS)
    try:
        await client.ask(CHAT, killing_body(mark, **form))
    except Refused as refusal:
        if refusal.blamed:
            return True
        raise
    return False


KILLERS: list[dict[str, Any]] = [{}, {"stream": True}, {"stream": True, "resumable": True}]
SCORING: dict[str, Any] = {"prompt": STORY, "echo": True, "max_tokens": 0, "logprobs": 1, "temperature": 0}
Kind = Callable[[Client], Awaitable[bool]]
Kinds = dict[str, Kind]
TOLD: dict[str, Any] = {"messages": [{"role": "user", "content": TALE}], "temperature": 0, "max_tokens": 200}
FIXED: dict[str, tuple[str, dict[str, Any]]] = {
    **REQUESTS,
    "scoring": (TEXT, SCORING),
    "a whole message": (MESSAGES, TOLD),
    "a streamed response": (RESPONSES, {**BACKGROUND, "stream": True}),
}
"""Requests that have one right answer, which is asked for before anything is killed."""


def fixed(path: str, body: dict[str, Any], expected: dict[str, Any]) -> Kind:
    async def run(client: Client) -> bool:
        return await client.ask(path, body) == expected

    return run


async def all_kinds(client: Client, *, rough: bool) -> Kinds:
    """Each returns whether the answer was right. With `rough`, abusive requests are among them."""
    whole = await asyncio.gather(*(client.ask(path, body) for path, body in FIXED.values()))
    answers = dict(zip(FIXED, whole, strict=True))
    kinds: Kinds = {name: fixed(path, body, answers[name]) for name, (path, body) in FIXED.items()}
    kinds |= {"malformed": malformed, "left early": left_early, "conversation": conversation}
    return {**kinds, **await durable_kinds(client, answers), **({"abusive": abusive} if rough else {})}


async def durable_kinds(client: Client, answers: dict[str, dict[str, Any]]) -> Kinds:
    """`answers` are those to `FIXED`."""
    streams = [
        (path, body, answers[name])
        for name, (path, body) in FIXED.items()
        if body.get("stream") and not body.get("background")
    ]
    told = answers["a streamed response"]
    batch = SmallBatch(batch_lines(LINES, LINE_TOKENS), await batch_answers(client, LINES, LINE_TOKENS))
    return {
        "resumed": Resumed(streams),
        "background, polled": Polled(told),
        "background, followed": Followed(told),
        "background, cancelled": cancelled,
        "batch": batch,
    }
