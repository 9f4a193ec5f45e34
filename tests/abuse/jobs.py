"""Abusive files, batches, jobs and streams: what outlives its request."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import httpx

from tests.abuse.abuse import CHAT, COMPLETIONS, HELLO, MB, RESPONSES, Abuse
from tests.harness import JSON

FILES, BATCHES, STREAMS = "/v1/files", "/v1/batches", "/v1/streams/"
ENDED = ("completed", "failed", "cancelled", "expired")
BATCH_SECONDS = 100.0
ODD_IDS = [
    "x" * 4000,
    "%00",
    "%1F",
    "..%2F..%2Fetc%2Fpasswd",
    "%F0%9F%99%82",
    "chatcmpl-" + "0" * 32,
    "' OR 1=1 --",
    "*",
]

Send = Callable[[httpx.AsyncClient], Awaitable[httpx.Response]]


def job(name: str, send: Send, *statuses: int) -> Abuse:
    return Abuse(name, "", bytes, statuses, send=send)


def line(number: int, url: str = CHAT, **fields: Any) -> bytes:
    body = {"messages": [HELLO], "max_tokens": 2, **fields}
    return json.dumps({"custom_id": f"q{number}", "method": "POST", "url": url, "body": body}).encode()


async def begin(http: httpx.AsyncClient, content: bytes) -> httpx.Response:
    """Upload a file and begin a batch of it. Returns the first refusal, or the batch."""
    uploaded = await http.post(FILES, data={"purpose": "batch"}, files={"file": ("a.jsonl", content)})
    if uploaded.status_code != 200:
        return uploaded
    wanted = {"input_file_id": uploaded.json()["id"], "endpoint": CHAT, "completion_window": "24h"}
    return await http.post(BATCHES, json=wanted)


def batch(content: Callable[[], bytes]) -> Send:
    """Send a batch, and wait until it has ended, as it must."""

    async def send(http: httpx.AsyncClient) -> httpx.Response:
        begun = await begin(http, await asyncio.to_thread(content))
        return begun if begun.status_code != 200 else await _ended(http, f"{BATCHES}/{begun.json()['id']}")

    return send


async def _ended(http: httpx.AsyncClient, path: str) -> httpx.Response:
    async with asyncio.timeout(BATCH_SECONDS):
        while True:
            found = await http.get(path)
            if found.status_code != 200 or found.json()["status"] in ENDED:
                return found
            await asyncio.sleep(0.2)


async def delete_the_file_of_a_batch(http: httpx.AsyncClient) -> httpx.Response:
    begun = await begin(http, b"\n".join(line(number) for number in range(40)))
    assert begun.status_code == 200, begun.text
    for _ in range(3):
        await http.delete(f"{FILES}/{begun.json()['input_file_id']}")
    return await _ended(http, f"{BATCHES}/{begun.json()['id']}")


async def cancel_a_batch_twenty_times(http: httpx.AsyncClient) -> httpx.Response:
    begun = await begin(http, b"\n".join(line(number, max_tokens=500) for number in range(500)))
    assert begun.status_code == 200, begun.text
    path = f"{BATCHES}/{begun.json()['id']}"
    await asyncio.gather(*(http.post(f"{path}/cancel") for _ in range(20)))
    return await _ended(http, path)


async def queue_jobs(http: httpx.AsyncClient) -> httpx.Response:
    """Send two thousand responses in the background, and cancel those that were taken, the last one twice."""
    begun: list[str] = []
    refused: httpx.Response | None = None
    body = {"input": "Hello", "background": True, "max_output_tokens": 4}
    for _ in range(2000):
        response = await http.post(RESPONSES, json=body)
        if response.status_code == 200:
            begun.append(response.json()["id"])
        else:
            refused = response
    for job_id in [*begun, begun[-1]]:
        last = await http.post(f"{RESPONSES}/{job_id}/cancel")
    return refused or last


async def read_beyond_the_end(http: httpx.AsyncClient) -> httpx.Response:
    begun = await http.post(RESPONSES, json={"input": "Hello", "background": True, "max_output_tokens": 4})
    assert begun.status_code == 200, begun.text
    path = f"{RESPONSES}/{begun.json()['id']}"
    for after in ("10000", "-1", "1" * 400, "x", "1e9", ""):
        response = await http.get(path, params={"stream": "true", "starting_after": after})
        assert response.status_code in (200, 400), response.text
    return await http.get(path, params={"stream": "true", "starting_after": "999999"})


async def read_odd_streams(http: httpx.AsyncClient) -> httpx.Response:
    for odd in ODD_IDS:
        for ask in (http.get, http.delete):
            response = await ask(f"{STREAMS}{odd}", params={"after": "9" * 300})
            if response.status_code not in (400, 404, 405, 414):
                return response
    return response


async def leave_streams(http: httpx.AsyncClient) -> httpx.Response:
    """Begin a hundred streams that can be resumed, and leave each after its first piece."""
    body = {"messages": [HELLO], "stream": True, "resumable": True, "max_tokens": 20}
    for _ in range(100):
        async with http.stream("POST", CHAT, json=body) as response:
            await anext(response.aiter_bytes())
    return response


def parts(part: bytes) -> Send:
    """Upload a form of a million parts."""

    async def send(http: httpx.AsyncClient) -> httpx.Response:
        form = {"Content-Type": "multipart/form-data; boundary=x"}
        return await http.post(FILES, content=part * MB, headers=form)

    return send


async def ones(http: httpx.AsyncClient) -> httpx.Response:
    return await http.post(BATCHES, content=b'{"input_file_id":[' + b"1," * MB + b"1]}", headers=JSON)


SEVERAL = b"\r\n".join(line(number) for number in range(3))
LONG = {**HELLO, "content": "word " * 2 * MB}
JOBS = [
    job("batch: a line of 10 MB", batch(lambda: line(0, messages=[LONG])), 200, 400, 413),
    job("batch: a million lines", batch(lambda: b"{}\n" * MB), 200, 400, 413),
    job(
        "batch: 300 lines that are refused",
        batch(lambda: b"\n".join(line(n, temperature=9) for n in range(300))),
        200,
        400,
    ),
    job("batch: the same custom_id", batch(lambda: b"\n".join([line(0)] * 10_000)), 200, 400),
    job("batch: lines of another endpoint", batch(lambda: b"\n".join(line(n, COMPLETIONS) for n in range(5000))), 200),
    job("batch: a BOM, CRLF and no last newline", batch(lambda: b"\xef\xbb\xbf" + SEVERAL), 200, 400),
    job("batch: NUL", batch(lambda: b"\0" * 5 * MB), 200, 400),
    job("batch: deep lines", batch(lambda: b"[" * 5 * MB), 200, 400),
    job("batch: its file is deleted", delete_the_file_of_a_batch, 200),
    job("batch: cancelled twenty times", cancel_a_batch_twenty_times, 200),
    job("batch: ones", ones, 400),
    job("files: a million parts", parts(b"--x\r\n\r\n\r\n"), 400, 413),
    job("files: a part without an end", parts(b"--x\r\nContent-Disposition: a"), 400, 413),
    job("background: more than may be queued", queue_jobs, 200, 429),
    job("background: read beyond the end", read_beyond_the_end, 400),
    job("streams: odd ids", read_odd_streams, 400, 404, 405, 414),
    job("streams: a hundred that are left", leave_streams, 200),
]
