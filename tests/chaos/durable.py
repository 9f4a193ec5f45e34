"""Kinds that outlive their connection, their web worker and their engine: streams that are resumed, jobs, batches."""

import asyncio
import json
from collections.abc import Sequence
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.chaos.client import DONE, PAUSE_SECONDS, Client, Lost, Refused
from tests.e2e.mixture import CHAT, LAST, RESPONSES, TALE, gather, told_whole
from tests.harness import chat_body

Stream = tuple[str, dict[str, Any], dict[str, Any]]
"""The path and the body of a stream, and its answer as `tests.e2e.mixture` has it."""

STORY: dict[str, Any] = {"input": TALE, "temperature": 0, "max_output_tokens": 320}
ENDLESS: dict[str, Any] = {"input": TALE, "temperature": 1, "max_output_tokens": 1500}
BY_URL, BY_HEADER = "/v1/streams/{id}?after={last}", "/v1/streams/{id}"
BY_RESPONSE = "/v1/responses/{id}?stream=true&starting_after={last}"
"""The ways to read on."""
LIVE = ("queued", "in_progress")
BATCH_LIVE = ("validating", "in_progress", "finalizing")
QUESTIONS = ("Who are you?", "Count from 1 to 100.", "What is the capital of France?", TALE)
MOST_EVENTS = 60
"""After so many events of a connection, at most, it is hung up."""


@dataclass
class Seen:
    """The events that a client has of one stream, over all its connections."""

    events: list[dict[str, Any]] = field(default_factory=list)
    last: int = -1
    """The number of the last event."""
    ended: bool = False

    @property
    def id(self) -> str:
        first = self.events[0]
        found: str = (first.get("response") or first.get("message") or first)["id"]
        return found

    def add(self, number: int | None, event: dict[str, Any]) -> None:
        assert number == self.last + 1, f"event {number} follows event {self.last}"
        self.last = number
        self.ended = event is DONE or event.get("type") in LAST
        if event is not DONE:
            self.events.append(event)


async def read(client: Client, seen: Seen, most: int, method: str, path: str, **arguments: Any) -> None:
    """Read on until the end, or until `most` more events have come. Raises as `Client.events` does."""
    before = seen.last
    async with aclosing(client.events(method, path, **arguments)) as events:
        async for number, event in events:
            seen.add(number, event)
            if seen.last - before >= most:
                return


async def read_on(client: Client, seen: Seen, way: str) -> None:
    """Come back after a while, some times to be cut off again, until the stream has ended.

    Fails if what is stored is refused. Raises `Lost` and, for an error within the stream, `Refused`.
    """
    heard = client.clock()
    while not seen.ended:
        await asyncio.sleep(client.dice.uniform(0, 2 * PAUSE_SECONDS))
        most = client.dice.choice((client.dice.randint(1, MOST_EVENTS), 10**6))
        headers = {"Last-Event-ID": str(seen.last)} if way == BY_HEADER else {}
        path = way.format(id=seen.id, last=seen.last)
        before = seen.last
        try:
            await read(client, seen, most, "GET", path, headers=headers)
        except httpx.TransportError:
            pass
        except Refused as refusal:
            if refusal.status == 200:
                raise
            assert refusal.status == 503, f"{path}: {refusal}"
        if seen.last > before:
            heard = client.clock()
        elif client.clock() - heard > client.patience:
            raise Lost(f"nothing of {seen.id} comes after event {seen.last}")


class Resumed:
    """A stream whose client hangs up in the middle and comes back."""

    def __init__(self, streams: Sequence[Stream]) -> None:
        self._streams = streams

    async def __call__(self, client: Client) -> bool:
        path, body, expected = client.dice.choice(self._streams)
        seen = Seen()
        most = client.dice.randint(1, MOST_EVENTS)
        try:
            await read(client, seen, most, "POST", path, json={**body, "resumable": True})
        except httpx.TransportError:
            if not seen.events:  # it does not know the stream's id
                raise
        await read_on(client, seen, client.dice.choice((BY_URL, BY_HEADER)))
        return gather(seen.events, path) == expected


class Followed:
    """A response in the background whose events are read over several connections."""

    def __init__(self, expected: dict[str, Any]) -> None:
        self._expected = expected

    async def __call__(self, client: Client) -> bool:
        seen = Seen()
        most = client.dice.randint(1, MOST_EVENTS)
        try:
            await read(client, seen, most, "POST", RESPONSES, json={**STORY, "background": True, "stream": True})
        except httpx.TransportError:
            if not seen.events:
                raise
        await read_on(client, seen, BY_RESPONSE)
        return gather(seen.events, RESPONSES) == self._expected


class Polled:
    """A response in the background that is asked for until it has ended."""

    def __init__(self, expected: dict[str, Any]) -> None:
        self._expected = expected

    async def __call__(self, client: Client) -> bool:
        made = await client.post(RESPONSES, json={**STORY, "background": True})
        response = await settled(client, made["id"])
        assert response["error"] is None, response["error"]
        return told_whole(response, RESPONSES) == self._expected


async def settled(client: Client, name: str) -> dict[str, Any]:
    """A response once it has ended. Raises `Lost`."""
    end = client.clock() + client.patience
    while client.clock() < end:
        response: dict[str, Any] = (await client.persist("GET", f"{RESPONSES}/{name}")).json()
        if response["status"] not in LIVE:
            return response
        await asyncio.sleep(client.dice.uniform(0.2, 2))
    raise Lost(f"{name} does not end")


async def cancelled(client: Client) -> bool:
    """A long response in the background that is cancelled, whatever has become of its worker."""
    made = await client.post(RESPONSES, json={**ENDLESS, "background": True})
    await asyncio.sleep(client.dice.uniform(0, 3))
    await client.persist("POST", f"{RESPONSES}/{made['id']}/cancel")
    return (await settled(client, made["id"]))["status"] in ("cancelled", "completed", "incomplete")


class SmallBatch:
    """A batch of some lines: each has one result, in its place."""

    def __init__(self, lines: bytes, expected: list[tuple[str, str]]) -> None:
        self._lines = lines
        self._expected = expected

    async def __call__(self, client: Client) -> bool:
        done = await ended_batch(client, await make_batch(client, self._lines))
        assert done["status"] == "completed", done["errors"]
        assert done["error_file_id"] is None, await content(client, done["error_file_id"])
        return results(await content(client, done["output_file_id"])) == self._expected


async def make_batch(client: Client, lines: bytes) -> str:
    """The id of a new batch of chats. Raises `Refused` or what httpx raises."""
    upload = {"data": {"purpose": "batch"}, "files": {"file": ("in.jsonl", lines)}}
    file = await client.post("/v1/files", **upload)
    asked = {"input_file_id": file["id"], "endpoint": CHAT, "completion_window": "24h"}
    name: str = (await client.post("/v1/batches", json=asked))["id"]
    return name


async def ended_batch(client: Client, name: str) -> dict[str, Any]:
    """A batch once it has ended. Raises `Lost`."""
    end = client.clock() + client.patience
    while client.clock() < end:
        batch: dict[str, Any] = (await client.persist("GET", f"/v1/batches/{name}")).json()
        if batch["status"] not in BATCH_LIVE:
            return batch
        await asyncio.sleep(client.dice.uniform(0.5, 3))
    raise Lost(f"{name} does not end")


async def content(client: Client, file: str) -> str:
    return (await client.persist("GET", f"/v1/files/{file}/content")).text


def results(content: str) -> list[tuple[str, str]]:
    """The id and the text of each line of a file of results."""
    found = [json.loads(line) for line in content.splitlines()]
    return [(one["custom_id"], one["response"]["body"]["choices"][0]["message"]["content"]) for one in found]


def batch_body(number: int, max_tokens: int) -> dict[str, Any]:
    """The body of line `number`."""
    return chat_body(QUESTIONS[number % len(QUESTIONS)], max_tokens=max_tokens)


def batch_lines(count: int, max_tokens: int) -> bytes:
    """A file with so many lines, which the ids `q0`, `q1` ... tell apart."""
    lines = [
        {"custom_id": f"q{number}", "method": "POST", "url": CHAT, "body": batch_body(number, max_tokens)}
        for number in range(count)
    ]
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def batch_answers(client: Client, count: int, max_tokens: int) -> list[tuple[str, str]]:
    """What the lines of `batch_lines` bring when nothing is in their way."""
    asked = (client.ask(CHAT, batch_body(number, max_tokens)) for number in range(len(QUESTIONS)))
    whole = await asyncio.gather(*asked)
    return [(f"q{number}", whole[number % len(QUESTIONS)]["texts"][0]) for number in range(count)]
