"""Abusive messages, to Anthropic's endpoint."""

from collections.abc import Callable
from typing import Any

from tests.abuse.abuse import HELLO, MB, Abuse, as_json, many, raw

PATH = "/v1/messages"
TEXT = {"type": "text", "text": "a"}
TOOL = {"name": "f", "input_schema": {"type": "object"}}


def message(name: str, fields: Callable[[], dict[str, Any]]) -> Abuse:
    body = as_json(lambda: {"model": "m", "max_tokens": 4, "messages": [HELLO], **fields()})
    return Abuse(f"messages of Anthropic's: {name}", PATH, body)


def ones(name: str, before: bytes, after: bytes, element: bytes = b"1") -> Abuse:
    return raw(
        f"messages of Anthropic's: {name}", PATH, lambda: b'{"max_tokens":4,' + before + many(element, MB) + after
    )


def said(content: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": content}]}


def call(value: Any) -> dict[str, Any]:
    """Return an answer's call of a tool, and its result."""
    called = {"role": "assistant", "content": [{"type": "tool_use", "id": "x", "name": "f", "input": value}]}
    result = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "x", "content": "1"}]}
    return {"messages": [HELLO, called, result]}


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = {"a": value}
    return value


MESSAGES = [
    ones("ones, 1 MB", b'"messages":[', b"]}"),
    ones("empty objects, 1 MB", b'"messages":[', b"]}", b"{}"),
    ones("a system of ones", b'"messages":[],"system":[', b"]}"),
    ones("blocks of ones", b'"messages":[{"role":"user","content":[', b"]}]}"),
    ones("tools of ones", b'"messages":[],"tools":[', b"]}"),
    message("10,000 messages", lambda: {"messages": [HELLO] * 10_000}),
    message("115,000 messages", lambda: {"messages": [HELLO] * 115_000}),
    message("10,000 blocks", lambda: said([TEXT] * 10_000)),
    message("200,000 blocks", lambda: said([TEXT] * 200_000)),
    message("10 MB of text", lambda: said("word " * 2 * MB)),
    message("10 MB of system", lambda: {"system": "word " * 2 * MB}),
    message("129 tools", lambda: {"tools": [TOOL] * 129}),
    message("10,000 tools", lambda: {"tools": [TOOL] * 10_000}),
    message("1,000 stop sequences", lambda: {"stop_sequences": [f"zzz{number}" for number in range(1000)]}),
    message("wrong types", lambda: {"messages": {"role": 1}, "system": 5, "tools": "f", "max_tokens": "many"}),
    message(
        "a result of no call", lambda: said([{"type": "tool_result", "tool_use_id": "x", "content": [TEXT] * 5000}])
    ),
    message("a deep input", lambda: call(deep(200))),
    message("an input of 5 MB", lambda: call({"a": "x" * 5 * MB})),
]
