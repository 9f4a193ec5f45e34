"""Large bodies, good and bad: a client chooses their size, and other requests must have their turn meanwhile."""

import json
import resource
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.fake_engine import FakeEngine, complete
from tests.webapp.beat import Beat, settled
from tests.webapp.conftest import MakeApp

pytestmark = pytest.mark.slow

MB = 10**6
CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
MESSAGES = "/v1/messages"
WORD = b'"' + b"a" * 900 + b'"'
MESSAGE = {"role": "user", "content": "a"}


def many(text: bytes, size: int) -> bytes:
    return b",".join([text] * (size // (len(text) + 1)))


def chat_with(name: bytes, value: bytes) -> bytes:
    return b'{"messages":[{"role":"user","content":"a"}],"' + name + b'":' + value + b"}"


BAD: dict[str, tuple[str, Callable[[], bytes]]] = {
    "messages of ones, 1 MB": (CHAT, lambda: b'{"messages":[' + many(b"1", MB) + b"]}"),
    "messages of ones, 15 MB": (CHAT, lambda: b'{"messages":[' + many(b"1", 15 * MB) + b"]}"),
    "messages of objects": (CHAT, lambda: b'{"messages":[' + many(b"{}", 15 * MB) + b"]}"),
    "messages, too many": (CHAT, lambda: json.dumps({"messages": [MESSAGE] * 115_000}).encode()),
    "parts": (CHAT, lambda: b'{"messages":[{"role":"user","content":[' + many(b"1", 900_000) + b"]}]}"),
    "stop": (CHAT, lambda: chat_with(b"stop", b"[" + many(b"1", 15 * MB) + b"]")),
    "stop, strings": (CHAT, lambda: chat_with(b"stop", b"[" + many(b'"a"', MB) + b"]")),
    "stop, one": (CHAT, lambda: chat_with(b"stop", b'["' + b"a" * 15 * MB + b'"]')),
    "logit_bias": (CHAT, lambda: chat_with(b"logit_bias", json.dumps({str(i): "x" for i in range(90_000)}).encode())),
    "tools": (CHAT, lambda: chat_with(b"tools", b"[" + many(b"{}", MB) + b"]")),
    "white_list_token": (
        CHAT,
        lambda: chat_with(b"white_list_token", b"[" + many(b'"' + b"a" * 900 + b'"', MB) + b"]"),
    ),
    "bad_words": (CHAT, lambda: chat_with(b"bad_words", b"[" + many(b'"' + b"a" * 900 + b'"', MB) + b"]")),
    "nan": (COMPLETIONS, lambda: b'{"prompt":[' + many(b"NaN", MB) + b"]}"),
    "nan at the end": (COMPLETIONS, lambda: b'{"prompt":[' + many(b"1", MB) + b",NaN]}"),
    "prompts": (COMPLETIONS, lambda: b'{"prompt":[' + many(b'""', MB) + b"]}"),
    "prompts of nothing": (COMPLETIONS, lambda: b'{"prompt":[' + many(b"[]", MB) + b"]}"),
    "items": (RESPONSES, lambda: b'{"input":[' + many(b"1", MB) + b"]}"),
    "turns": (MESSAGES, lambda: b'{"max_tokens":1,"messages":[' + many(b"1", MB) + b"]}"),
    "blocks": (MESSAGES, lambda: turn_of([{}] * 200_000)),
    "results of no call": (MESSAGES, lambda: turn_of([{"type": "tool_result", "content": ""}] * 10_000)),
    "results, too many": (MESSAGES, lambda: turn_of([{"type": "tool_result", "content": ""}] * 10_000, times=4)),
    "history": ("/", lambda: b'{"prompt":"a","history":[' + many(b"1", MB) + b"]}"),
    "tokens": ("/detokenize", lambda: b'{"tokens":[' + many(b"-1", MB) + b"]}"),
    "depth": (CHAT, lambda: b'{"messages":' + b"[" * 7 * MB),
    "depth in a tool": (
        CHAT,
        lambda: chat_with(
            b"tools", b'[{"type":"function","function":{"name":"f","parameters":' + b'{"a":' * 500 + b"1" + b"}" * 503
        ),
    ),
    "keys": (CHAT, lambda: json.dumps({f"field {i}": 1 for i in range(400_000)}).encode()),
    "a large tool": (CHAT, lambda: chat_with(b"tools", json.dumps([tool("x" * 200_000)]).encode())),
}


def turn_of(content: Any, times: int = 1) -> bytes:
    return json.dumps({"max_tokens": 1, "messages": [{"role": "user", "content": content}] * times}).encode()


def tool(text: str) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": {"description": text}}}


@pytest.fixture
def client(engine: FakeEngine, make_app: MakeApp) -> Iterator[FlaskClient]:
    engine.on_generate = complete
    with settled(make_app(max_body_bytes=16 * MB)) as client:
        yield client


@pytest.mark.parametrize(("path", "make"), BAD.values(), ids=BAD)
def test_a_bad_body_holds_the_loop_for_no_time_and_takes_little_memory(
    client: FlaskClient, path: str, make: Callable[[], bytes]
) -> None:
    body = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    beat = Beat()
    reply = client.post(path, data=body, content_type="application/json")
    beat.stop()
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert reply.status_code == 400, reply.text[:300]
    assert len(reply.text) < 2000
    assert grown < 200_000, "kB beyond the most that it has had before"
    assert beat.longest < 0.05


GOOD: dict[str, tuple[str, Callable[[], Any]]] = {
    "a long text": (CHAT, lambda: {"messages": [{"role": "user", "content": "word " * 3 * MB}]}),
    "many messages": (CHAT, lambda: {"messages": [MESSAGE] * 10_000}),
    "many turns of one role": (
        MESSAGES,
        lambda: {"max_tokens": 1, "messages": [{"role": "assistant", "content": "word " * 200}] * 9_999 + [MESSAGE]},
    ),
    "many token ids": (COMPLETIONS, lambda: {"prompt": [1000] * 400_000}),
    "commas": (COMPLETIONS, lambda: {"prompt": ",[{" * 4 * MB}),
}


@pytest.mark.parametrize(("path", "make"), GOOD.values(), ids=GOOD)
def test_a_good_body_holds_the_loop_for_no_time(client: FlaskClient, path: str, make: Callable[[], Any]) -> None:
    body = json.dumps(make()).encode()
    beat = Beat()
    reply = client.post(path, data=body, content_type="application/json")
    beat.stop()
    assert reply.status_code == 200, reply.text[:300]
    assert beat.longest < 0.05
