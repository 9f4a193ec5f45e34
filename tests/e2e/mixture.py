"""Requests of every kind at once, whose answers are known: what a lost engine must not change."""

import json
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx

from schemas import wire
from tests.harness import LOAD_SECONDS, TLS, Hearth, until

CHAT, TEXT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/completions", "/v1/responses", "/v1/messages"
LAST = ("response.completed", "response.incomplete", "response.failed", "response.cancelled", "message_stop")
"""The types of events with which a stream ends that has no `[DONE]`."""
STORY = "Once upon a time, in a land far away,"
LONG: dict[str, Any] = {"temperature": 0, "ignore_eos": True, "max_tokens": 320}
STREAM: dict[str, Any] = {"stream": True, "stream_options": {"include_usage": True}}
PENALTIES: dict[str, Any] = {"frequency_penalty": 0.4, "presence_penalty": 0.3}
QUESTION: dict[str, Any] = {"messages": [{"role": "user", "content": "Count from 1 to 100."}]}
TALE = "Write a long story."
TOOL: dict[str, Any] = {
    "type": "function",
    "function": {"name": "count", "parameters": {"type": "object", "properties": {"word": {"type": "string"}}}},
}

REQUESTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a streamed chat": (CHAT, {**QUESTION, **LONG, **STREAM}),
    "a whole chat": (CHAT, {**QUESTION, **LONG}),
    "a streamed text": (TEXT, {"prompt": STORY, **LONG, **STREAM}),
    "several choices, with log probabilities": (
        TEXT,
        {"prompt": STORY, **LONG, **STREAM, "n": 2, "logprobs": 1, "max_tokens": 260},
    ),
    "penalties and a stop string": (
        TEXT,
        {
            "prompt": STORY,
            **LONG,
            **STREAM,
            "frequency_penalty": 0.4,
            "presence_penalty": 0.3,
            "stop": ["no such end"],
            "max_tokens": 300,
        },
    ),
    "a structure": (
        TEXT,
        {"prompt": STORY, **LONG, **STREAM, "structured_outputs": {"regex": "[a-z ,]*"}, "max_tokens": 240},
    ),
    "a call that is written": (
        CHAT,
        {
            **QUESTION,
            **LONG,
            **STREAM,
            "max_tokens": 240,
            "tools": [TOOL],
            "structured_outputs": {"regex": '\\{"name": "count", "parameters": \\{"word": "[a-z ,]*'},
        },
    ),
    "a chat that may call": (CHAT, {**QUESTION, **LONG, **STREAM, "tools": [TOOL]}),
    "a streamed message": (
        MESSAGES,
        {"messages": [{"role": "user", "content": TALE}], "temperature": 0, "max_tokens": 320, "stream": True},
    ),
    "a response in the background": (
        RESPONSES,
        {"input": TALE, "temperature": 0, "max_output_tokens": 320, "background": True, "stream": True},
    ),
    "a stream that can be resumed": (CHAT, {**QUESTION, **LONG, **STREAM, "resumable": True}),
    "a beam search": (TEXT, {"prompt": STORY, "use_beam_search": True, "n": 2, "temperature": 0, "max_tokens": 48}),
}


def answer_to(hearth: Hearth, path: str, body: dict[str, Any], on_text: Callable[[], object]) -> dict[str, Any]:
    """Texts, ends and usage, alike for streamed and whole answers. Fails where the answer is an error or cut.

    `on_text` is called once, when the first text of a stream has come.
    """
    with httpx.stream("POST", hearth.url + path, json=body, timeout=300, verify=TLS) as response:
        if response.status_code == 200 and body.get("stream"):
            return gather(list(events(response.iter_lines(), on_text)), path)
        answer = response.read()
    if response.status_code == 503:  # a web worker that has not heard yet that the engine is ready
        time.sleep(0.5)
        return answer_to(hearth, path, body, on_text)
    assert response.status_code == 200, answer
    return told_whole(json.loads(answer), path)


def told_whole(whole: dict[str, Any], path: str) -> dict[str, Any]:
    if path in (RESPONSES, MESSAGES):
        parts = whole["content"] if path == MESSAGES else [part for item in whole["output"] for part in item["content"]]
        text = "".join(part["text"] for part in parts)
        return {"texts": {0: text}, "ends": [whole.get("stop_reason") or whole["status"]], "usage": counted(whole)}
    texts = {c["index"]: c["text"] if path == TEXT else c["message"]["content"] for c in whole["choices"]}
    return {"texts": texts, "ends": [c["finish_reason"] for c in whole["choices"]], "usage": counted(whole)}


def counted(reply: dict[str, Any]) -> dict[str, int]:
    """The usage, less what depends on what was asked before."""
    usage = {name: value for name, value in reply["usage"].items() if isinstance(value, int)}
    if "cache_read_input_tokens" in usage:
        usage["input_tokens"] += usage.pop("cache_read_input_tokens")
    return usage


def events(lines: Iterator[str], on_text: Callable[[], object]) -> Iterator[dict[str, Any]]:
    first = True
    for line in lines:
        if line == "data: [DONE]":
            return
        if line.startswith("data: "):
            event = json.loads(line.removeprefix("data: "))
            yield event
            if first and ("choices" in event or "delta" in event):
                on_text()
                first = False
            if event.get("type") in LAST:
                return
    raise AssertionError("the stream was cut")


def gather(chunks: list[dict[str, Any]], path: str) -> dict[str, Any]:
    if path == RESPONSES:
        return gather_response(chunks)
    if path == MESSAGES:
        return gather_message(chunks)
    told: dict[str, Any] = {"texts": {}, "ends": {}, "tokens": {}, "calls": {}, "usage": counted(chunks[-1])}
    for choice in [choice for chunk in chunks for choice in chunk["choices"]]:
        index = choice["index"]
        text = choice["text"] if path == TEXT else choice["delta"].get("content", "")
        for call in () if path == TEXT else choice["delta"].get("tool_calls", ()):
            place = index, call["index"]
            told["calls"][place] = told["calls"].get(place, "") + call["function"].get("name", "")
            told["calls"][place] += call["function"].get("arguments", "")
        told["texts"][index] = told["texts"].get(index, "") + text
        if choice["finish_reason"]:
            told["ends"][index] = choice["finish_reason"]
        if choice.get("logprobs"):
            told["tokens"].setdefault(index, []).extend(choice["logprobs"]["tokens"])
    return told


def gather_response(events: list[dict[str, Any]]) -> dict[str, Any]:
    """As `told_whole` has it, if the pieces are the whole, and the events are numbered without a gap."""
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    told = told_whole(events[-1]["response"], RESPONSES)
    pieces = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    assert told["texts"] == {0: pieces}
    return told


def gather_message(events: list[dict[str, Any]]) -> dict[str, Any]:
    """As `told_whole` has it, if each event comes where it belongs."""
    order = [event["type"] for event in events if event["type"] not in ("ping", "content_block_delta")]
    assert order == ["message_start", "content_block_start", "content_block_stop", "message_delta", "message_stop"]
    text = "".join(event["delta"]["text"] for event in events if event["type"] == "content_block_delta")
    (end,) = [event for event in events if event["type"] == "message_delta"]
    return {"texts": {0: text}, "ends": [end["delta"]["stop_reason"]], "usage": counted(end)}


class Mixture:
    """All of `REQUESTS` at once. `expected` is what they bring when nothing is in their way."""

    def __init__(self, hearth: Hearth) -> None:
        self._hearth = hearth
        self._pool = ThreadPoolExecutor(len(REQUESTS))
        self._begun = threading.Semaphore(0)
        self.expected = self.finish(self.start())

    def start(self) -> dict[str, "Future[dict[str, Any]]"]:
        """Returns when every stream has brought text, and none can have ended: they are long."""
        running = {
            name: self._pool.submit(answer_to, self._hearth, *request, self._begun.release)
            for name, request in REQUESTS.items()
        }
        for _path, body in REQUESTS.values():
            if body.get("stream"):
                assert self._begun.acquire(timeout=200), "a stream has brought nothing"
        return running

    def finish(self, running: dict[str, "Future[dict[str, Any]]"]) -> dict[str, dict[str, Any]]:
        return {name: future.result(300) for name, future in running.items()}

    def start_and_stay(self) -> dict[str, "Future[dict[str, Any]]"]:
        """Again where the streams' first texts came here only when the engine was done: then nothing can be lost."""
        for _ in range(10):
            running = self.start()
            if self._hearth.live():
                return running
            self.finish(running)
        raise AssertionError("no request lived long enough to lose its engine")

    def outlives(self, lose: Callable[[wire.Welcome], None]) -> wire.Welcome:
        """Every request that is under way when the engine is lost gets the answer that it would have got anyway.

        Returns the engine that was lost.
        """
        before, resumed = self._hearth.welcome(), self._resumed()
        running = self.start_and_stay()
        lose(before)
        until(lambda: not any(one.running() for one in running.values()), LOAD_SECONDS, "all are answered")
        assert self.finish(running) == self.expected
        self._hearth.wait_ready()
        after = self._hearth.welcome()
        assert after.instance != before.instance
        assert after.fingerprint == before.fingerprint
        until(lambda: self._hearth.live() == 0, 5, "no request is live")
        assert self._resumed() > resumed
        return before

    def _resumed(self) -> int:
        return self._hearth.web_log.read_text().count("requests on engine")
