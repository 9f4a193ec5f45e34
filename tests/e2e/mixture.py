"""Requests of every kind at once, whose answers are known: what a lost engine must not change."""

import json
import time
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

from tests.harness import Hearth

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
STORY = "Once upon a time, in a land far away,"
LONG: dict[str, Any] = {"temperature": 0, "ignore_eos": True, "max_tokens": 900}
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Count from 1 to 100."}]}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a streamed chat": (CHAT, {**QUESTION, **LONG, **STREAM}),
    "a whole chat": (CHAT, {**QUESTION, **LONG}),
    "a streamed text": (TEXT, {"prompt": STORY, **LONG, **STREAM}),
    "several choices, with log probabilities": (
        TEXT,
        {"prompt": STORY, **LONG, **STREAM, "n": 2, "logprobs": 1, "max_tokens": 600},
    ),
    "penalties and a stop string": (
        TEXT,
        {"prompt": STORY, **LONG, **STREAM, "frequency_penalty": 0.4, "presence_penalty": 0.3, "stop": ["no such end"]},
    ),
    "a beam search": (TEXT, {"prompt": STORY, "use_beam_search": True, "n": 2, "temperature": 0, "max_tokens": 48}),
}


def answer_to(hearth: Hearth, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """Texts, ends and usage, alike for streamed and whole answers. Fails where the answer is an error or cut."""
    response = httpx.post(hearth.url + path, json=body, timeout=300)
    while response.status_code == 503:  # a web worker that has not heard yet that the engine is ready
        time.sleep(float(response.headers["Retry-After"]) / 10)
        response = httpx.post(hearth.url + path, json=body, timeout=300)
    assert response.status_code == 200, response.text
    if not body.get("stream"):
        whole = response.json()
        texts = {c["index"]: c["text"] if path == TEXT else c["message"]["content"] for c in whole["choices"]}
        return {"texts": texts, "ends": [c["finish_reason"] for c in whole["choices"]], "usage": whole["usage"]}
    *events, done = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: ")]
    assert done == "[DONE]", done
    return gather([json.loads(event) for event in events], path)


def gather(chunks: list[dict[str, Any]], path: str) -> dict[str, Any]:
    told: dict[str, Any] = {"texts": {}, "ends": {}, "tokens": {}, "usage": chunks[-1]["usage"]}
    for choice in [choice for chunk in chunks for choice in chunk["choices"]]:
        index = choice["index"]
        text = choice["text"] if path == TEXT else choice["delta"].get("content", "")
        told["texts"][index] = told["texts"].get(index, "") + text
        if choice["finish_reason"]:
            told["ends"][index] = choice["finish_reason"]
        if choice.get("logprobs"):
            told["tokens"].setdefault(index, []).extend(choice["logprobs"]["tokens"])
    return told


class Mixture:
    """All of `REQUESTS` at once. `expected` is what they bring when nothing is in their way."""

    def __init__(self, hearth: Hearth) -> None:
        self._hearth = hearth
        self._pool = ThreadPoolExecutor(len(REQUESTS))
        self.expected = self.finish(self.start())

    def start(self) -> dict[str, "Future[dict[str, Any]]"]:
        return {name: self._pool.submit(answer_to, self._hearth, *request) for name, request in REQUESTS.items()}

    def finish(self, running: dict[str, "Future[dict[str, Any]]"]) -> dict[str, dict[str, Any]]:
        return {name: future.result(300) for name, future in running.items()}
