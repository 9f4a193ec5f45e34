"""Bad bodies: good ones, spoilt."""

import copy
import json
import random
from collections.abc import Callable
from typing import Any

from marshmallow import Schema, ValidationError

from schemas.errors import ApiError
from schemas.requests.anthropic.messages import MessagesSchema
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.generation import GenerationSchema
from schemas.requests.plain import PlainSchema
from schemas.requests.responses import ResponseSchema

CHAT, COMPLETIONS, PLAIN, RESPONSES = "/v1/chat/completions", "/v1/completions", "/", "/v1/responses"
MESSAGES = "/v1/messages"
SCHEMAS: dict[str, Schema] = {
    CHAT: ChatCompletionSchema(),
    COMPLETIONS: CompletionSchema(),
    PLAIN: PlainSchema(),
    RESPONSES: ResponseSchema(),
    MESSAGES: MessagesSchema(),
}

SHAPE = {"type": "object", "properties": {"a": {"type": "string", "enum": ["b"]}}, "required": ["a"]}
TOOL = {"type": "function", "function": {"name": "f", "description": "Does it.", "parameters": SHAPE}}
NAMED = {"type": "function", "function": {"name": "f"}}
USER = {"role": "user", "content": "Who are you?"}
SEEDS: dict[str, list[dict[str, Any]]] = {
    CHAT: [
        {"messages": [USER]},
        {"messages": [{"role": "system", "content": "Be brief."}, USER], "temperature": 0.5, "top_p": 0.9, "n": 2},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "写一个快速排序"}]}], "stop": ["\n"]},
        {"messages": [USER], "logprobs": True, "top_logprobs": 3, "logit_bias": {"5": 1.5}, "seed": 7},
        {"messages": [USER], "stream": True, "stream_options": {"include_usage": True}},
        {"messages": [USER], "conversation_id": "fuzz", "force_prompt": "Be kind."},
        {
            "messages": [
                USER,
                {"role": "assistant", "tool_calls": [{"id": "1", "function": {"name": "f", "arguments": "{}"}}]},
                {"role": "tool", "content": "42", "tool_call_id": "1"},
            ]
        },
        {"messages": [USER], "tools": [TOOL], "tool_choice": "required", "parallel_tool_calls": False},
        {"messages": [USER], "tools": [{**TOOL, "strict": True}], "tool_choice": NAMED, "reasoning_effort": "low"},
        {"messages": [USER], "response_format": {"type": "json_schema", "json_schema": {"schema": SHAPE}}},
        {
            "messages": [USER],
            "min_tokens": 1,
            "bad_words": ["a"],
            "prompt_logprobs": 1,
            "chat_template_kwargs": {"x": 1},
        },
    ],
    RESPONSES: [
        {"input": "Hello", "instructions": "Be brief.", "metadata": {"a": "b"}, "store": False},
        {"input": [USER, {"type": "item_reference", "id": "msg_1"}], "truncation": "auto", "top_logprobs": 2},
        {"input": "Hello", "text": {"verbosity": "low"}, "conversation": {"id": "c"}, "include": ["x"]},
        {"input": [USER, {"type": "reasoning"}], "tools": [{"type": "function", "name": "f", "parameters": SHAPE}]},
        {
            "input": [
                {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
                {"type": "function_call_output", "call_id": "1", "output": [{"type": "input_text", "text": "a"}]},
            ],
            "text": {"format": {"type": "json_schema", "name": "a", "schema": SHAPE}},
        },
        {"input": "Hello", "conversation": {"id": "fuzz"}, "reasoning": {"effort": "low"}},
    ],
    MESSAGES: [
        {"max_tokens": 5, "messages": [USER], "system": "Be brief.", "stop_sequences": ["a"], "top_k": 3},
        {"max_tokens": 5, "messages": [USER, {"role": "assistant", "content": "I"}], "thinking": {"type": "adaptive"}},
        {
            "max_tokens": 5,
            "system": [{"type": "text", "text": "a", "cache_control": {"type": "ephemeral"}}],
            "messages": [
                USER,
                {
                    "role": "assistant",
                    "content": [
                        {"type": "thinking", "thinking": "Hm.", "signature": "x"},
                        {"type": "tool_use", "id": "1", "name": "f", "input": {"a": "b"}},
                    ],
                },
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": "1", "content": [{"type": "text", "text": "42"}]},
                        {"type": "text", "text": "And?"},
                    ],
                },
            ],
            "tools": [{"name": "f", "description": "Does it.", "input_schema": SHAPE}],
            "tool_choice": {"type": "tool", "name": "f", "disable_parallel_tool_use": True},
        },
        {
            "max_tokens": 5,
            "messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}],
            "output_config": {"effort": "low", "format": {"type": "json_schema", "schema": SHAPE}},
            "metadata": {"user_id": "u"},
        },
    ],
    COMPLETIONS: [
        {"prompt": "Once upon a time"},
        {"prompt": [1, 2, 3], "echo": True, "logprobs": 2, "max_tokens": 0},
        {"prompt": ["a", "b"], "best_of": 3, "suffix": "end", "use_beam_search": True, "length_penalty": 0.5},
        {"prompt": "a", "structured_outputs": {"regex": "a+b"}, "truncate_prompt_tokens": 1, "cache_salt": "a"},
        {"prompt": "a", "structured_outputs": {"choice": ["a", "b"]}, "allowed_token_ids": [5], "priority": 0},
        {"prompt": [[1], [2, 3]], "white_list_token_ids": [5, 6], "white_list_token": ["a"], "stop_token_ids": [9]},
    ],
    PLAIN: [{"prompt": "Hi", "history": [["Hello", "Hi!"]], "max_length": 5, "top_p": 0.7, "temperature": 0.95}],
}
FIELDS = sorted({*GenerationSchema().fields, *(name for schema in SCHEMAS.values() for name in schema.fields)})
CHEAP = {
    "max_tokens": 1,
    "max_output_tokens": 1,
    "max_completion_tokens": 1,
    "max_length": 1,
    "n": 1,
    "best_of": 1,
    "ignore_eos": False,
}
"""What a body gets that turns out to be good: answering it must not take the time of hundreds of bad ones."""
GOOD_ONES = 0.2
"""The share of good bodies that are left so; the rest are spoilt beyond doubt."""

LONG_LISTS = 0.002
"""The share of bodies with a list of up to `MOST_ELEMENTS`, as long as the body's limit allows."""
MOST_ELEMENTS = 10_000_000
BODY_BYTES = 16 * 1024 * 1024
ELEMENTS = [b"1", b"-1", b"0.5", b"1e9", b"NaN", b"null", b"true", b'""', b'"a"', b"[]", b"{}", b"[1]", b'{"a":1}']
ELEMENTS += [b'"\\ud800"', b'{"role":"user","content":"a"}', b'{"type":"text","text":"a"}']

SCALARS: list[Any] = [
    None, True, False, 0, -1, 1, 2**31, 2**53 + 1, 2**63, -(2**63) - 1, 2**64, 10**30, 0.5, -0.0, 1e308, 1e-320,
    float("nan"), float("inf"), float("-inf"),
    "", " ", "5", "true", "null", "\x00", "\n\r\t", "\x1b[2J", "\ud800", "a\udfff", "é" * 300, "🙂", "\u202e", "%s%n",
    "{{ 7*7 }}", "{% for x in range(9) %}", "<|eot_id|>", "<|begin_of_text|>" * 3, "../../etc/passwd", "' OR 1=1 --",
    [], {}, [[]], [None], [{}], {"": 0}, {"a": None}, [1, "a", None],
]  # fmt: skip


def spoil(rng: random.Random, path: str) -> bytes:
    """A body for `path`, mostly a bad one, as a client would send it."""
    if rng.random() < LONG_LISTS:
        return long_list(rng)
    body = json.loads(json.dumps(rng.choice(SEEDS[path])))
    spoil_fields(rng, body, rng.randint(1, 3))
    if is_good(path, body):
        if rng.random() < GOOD_ONES:
            body.update({name: value for name, value in CHEAP.items() if name in SCHEMAS[path].fields})
        else:
            body["temperature"] = rng.choice(["hot", [], {}, True, 1e9, -1])
    raw = json.dumps(body, ensure_ascii=rng.random() < 0.5).encode("utf-8", "surrogatepass")
    return raw if rng.random() < 0.75 else spoil_bytes(rng, raw)


def spoil_fields(rng: random.Random, body: dict[str, Any], changes: int) -> None:
    """Make so many changes to `body`."""
    for _ in range(changes):
        rng.choice(SPOILERS)(rng, body)


def is_good(path: str, body: Any) -> bool:
    try:
        SCHEMAS[path].load(body)
    except (ValidationError, ApiError):
        return False
    return True


def long_list(rng: random.Random) -> bytes:
    """A body whose one field, or a field of its first message, is a long list. It is not made by way of Python's lists,
    which would take longer than to send it.
    """
    element = rng.choice(ELEMENTS)
    before = (
        f'{{"{rng.choice(FIELDS)}":['.encode() if rng.random() < 0.8 else b'{"messages":[{"role":"user","content":['
    )
    after = b"]}" if before.count(b"{") == 1 else b"]}]}"
    room = (BODY_BYTES - len(before) - len(after) + 1) // (len(element) + 1)
    count = min(int(10 ** rng.uniform(4, 7)), MOST_ELEMENTS, room)
    return before + (element + b",") * (count - 1) + element + after


def spoil_bytes(rng: random.Random, raw: bytes) -> bytes:
    """Flip, cut, double or stuff some bytes. JSON that has lost its end or its quotes is never a good body."""
    cut = rng.randrange(len(raw))
    match rng.randrange(6):
        case 0:
            return raw[:cut]
        case 1:
            return raw[:cut] + rng.randbytes(rng.randint(1, 8)) + raw[cut + 1 :] + b"}"
        case 2:
            return raw + raw
        case 3:
            return b"\xef\xbb\xbf" + raw
        case 4:
            return b"[" * rng.randint(1, 20_000) + raw
        case _:
            return raw.replace(b'"', rng.choice([b"'", b"", b'\\"']))


# ---- one change each -------------------------------------------------------------------------------------------


def _set_field(rng: random.Random, body: dict[str, Any]) -> None:
    body[rng.choice(FIELDS)] = any_value(rng)


def _set_anywhere(rng: random.Random, body: dict[str, Any]) -> None:
    place: Any = body
    while True:
        keys: list[Any] = list(place) if isinstance(place, dict) else list(range(len(place)))
        if not keys:
            return
        key = rng.choice(keys)
        if not isinstance(place[key], dict | list) or rng.random() < 0.4:
            place[key] = any_value(rng)
            return
        place = place[key]


def _drop(rng: random.Random, body: dict[str, Any]) -> None:
    if body:
        del body[rng.choice(list(body))]


def _deepen(rng: random.Random, body: dict[str, Any]) -> None:
    deep: Any = any_value(rng)
    for _ in range(rng.choice([3, 50, 400])):
        deep = [deep] if rng.random() < 0.5 else {"a": deep}
    body[rng.choice(FIELDS)] = deep


def _lengthen(rng: random.Random, body: dict[str, Any]) -> None:
    body[rng.choice(FIELDS)] = [copy.deepcopy(rng.choice(SCALARS))] * rng.choice([65, 1025, 5000])


def _inflate(rng: random.Random, body: dict[str, Any]) -> None:
    size = 10_000_000 if rng.random() < 0.01 else rng.choice([1000, 20_000, 100_000])
    body[rng.choice(FIELDS)] = rng.choice(["x", "字", " ", "\\"]) * size


SPOILERS: list[Callable[[random.Random, dict[str, Any]], None]] = [
    _set_field, _set_field, _set_anywhere, _set_anywhere, _drop, _deepen, _lengthen, _inflate,
]  # fmt: skip


def any_value(rng: random.Random) -> Any:
    if rng.random() < 0.8:
        return copy.deepcopy(rng.choice(SCALARS))  # what comes next may change it
    return "".join(
        chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x110000)])) for _ in range(rng.randint(1, 40))
    )
