"""Bodies of Anthropic's API and their parts, loaded as the web tier loads them."""

from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.requests.anthropic.messages import CountTokensSchema, MessagesRequest, MessagesSchema
from schemas.requests.parts import warnings
from schemas.requests.reading.body import load as load_body

MESSAGES, COUNT = MessagesSchema(), CountTokensSchema()
HELLO = {"role": "user", "content": "Hello"}
TOOL = {"name": "f", "description": "Does it.", "input_schema": {"type": "object"}}


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


def use(call_id: Any = "a", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {"x": 1}, **more}


def result(call_id: Any = "a", content: Any = "42", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def load(*turns: Any, **body: Any) -> MessagesRequest:
    warnings.begin()
    loaded: MessagesRequest = MESSAGES.load({"max_tokens": 5, "messages": list(turns) or [HELLO], **body})
    loaded.check()
    return loaded


def chat(*turns: Any, **body: Any) -> list[tuple[str, Any]]:
    """The messages that the engine gets: role, and what there is of content, calls and so on."""
    messages = load(*turns, **body).request.params.messages or []
    return [(message["role"], message["content"]) for message in messages]


def refused_at(*turns: Any, **body: Any) -> str:
    """The field that the refusal names."""
    with pytest.raises(ApiError) as caught:
        load_body(MESSAGES, {"max_tokens": 5, "messages": list(turns) or [HELLO], **body}).check()
    assert caught.value.status == 400
    assert caught.value.param is not None
    return caught.value.param


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": [value]}
    return value
