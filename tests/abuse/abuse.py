"""An abusive request, and what most of them are made of."""

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

import httpx

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
TOKENIZE, DETOKENIZE, PLAIN = "/tokenize", "/detokenize", "/"
MB = 1_000_000
HELLO = {"role": "user", "content": "Hello"}


@dataclass(frozen=True)
class Abuse:
    """One request. Its body is made when it is sent, for it may be large."""

    name: str
    path: str
    body: Callable[[], bytes]
    statuses: tuple[int, ...] = (200, 400, 413)
    """What an answer may be: the work within its limits, or a refusal."""
    send: Callable[[httpx.AsyncClient], Awaitable[httpx.Response]] | None = None
    """How it is sent, and which answer counts. None: one POST of the body."""


def as_json(fields: Callable[[], dict[str, Any]]) -> Callable[[], bytes]:
    return lambda: json.dumps(fields()).encode()


def chat(name: str, fields: Callable[[], dict[str, Any]]) -> Abuse:
    return Abuse(name, CHAT, as_json(lambda: {"messages": [HELLO], "max_tokens": 4, **fields()}))


def completion(name: str, fields: Callable[[], dict[str, Any]]) -> Abuse:
    return Abuse(name, COMPLETIONS, as_json(lambda: {"prompt": "Hello", "max_tokens": 4, **fields()}))


def raw(name: str, path: str, make: Callable[[], bytes]) -> Abuse:
    return Abuse(name, path, make, (400, 413))


def many(text: bytes, size: int) -> bytes:
    return b",".join([text] * (size // (len(text) + 1)))


def tool(**parameters: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", "parameters": {"type": "object", **parameters}}}


def called(arguments: str) -> list[dict[str, Any]]:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return [HELLO, {"role": "assistant", "tool_calls": [call]}, {"role": "tool", "tool_call_id": "c", "content": "1"}]


def long_answers(**fields: Any) -> dict[str, Any]:
    return {"tools": [tool()], "ignore_eos": True, "max_tokens": 700, "top_p": 1, **fields}


def nested(depth: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"type": "string"}
    for _ in range(depth):
        inner = {"type": "object", "properties": {"a": inner}, "required": ["a"]}
    return inner


def deep(before: bytes, depth: int, after: bytes) -> bytes:
    """A chat's body with objects in objects: too deep for Python's encoder."""
    inner = b'{"a":' * depth + b"1" + b"}" * depth
    return b'{"messages":[{"role":"user","content":"a"}],' + before + inner + after + b"}"


def structured(**kind: Any) -> dict[str, Any]:
    return {"structured_outputs": kind, "n": 8}


def ambiguous(rules: int) -> str:
    """A grammar that can be read in many ways: each rule is the next one, once or twice."""
    middle = "".join(f"r{number} ::= r{number + 1} | r{number + 1} r{number + 1}\n" for number in range(rules))
    return f"root ::= r0\n{middle}r{rules} ::= [a-z]\n"
