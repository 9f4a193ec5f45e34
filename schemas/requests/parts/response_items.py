"""The input items of the Responses API, and their conversion to the messages of a chat."""

from typing import Any

from marshmallow import ValidationError, fields

from schemas.errors import quoted
from schemas.requests.parts.messages import MAX_MESSAGES, MAX_PARTS, ROLES
from schemas.requests.parts.tool_items import as_known
from schemas.requests.parts.tools import Arguments

Item = dict[str, Any]
Message = dict[str, Any]

TEXT_PARTS = ("input_text", "output_text", "text")


class Input(fields.Field[list[Item]]):
    """A string, which becomes one message of the user, or a list of items."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Item]:
        if isinstance(value, str):
            return [{"type": "message", "role": "user", "content": value}]
        if not isinstance(value, list) or not value:
            raise ValidationError("Expected a string or an array of items.")
        if len(value) > MAX_MESSAGES:
            raise ValidationError(f"Expected at most {MAX_MESSAGES} items.")
        return [_at(index, _item, item) for index, item in enumerate(value)]


def messages_of(items: list[Item]) -> list[Message]:
    """Return the messages of a chat for `items`."""
    return [message for _, message in _grouped(items)]


def place_of(items: list[Item], message: int) -> str:
    """Return the field of the item of which message number `message` of `messages_of(items)` is made."""
    return f"input[{_grouped(items)[message][0]}].call_id"


def _grouped(items: list[Item]) -> list[tuple[int, Message]]:
    """Return the messages for `items`, each with the index of its first item.

    Consecutive function calls become one message. Reasoning is left out, because chat templates leave it out too.
    """
    messages: list[tuple[int, Message]] = []
    for index, item in enumerate(items):
        match item["type"]:
            case "message":
                messages.append((index, {"role": item["role"], "content": item["content"]}))
            case "function_call":
                call = {
                    "id": item["call_id"],
                    "type": "function",
                    "function": {"name": item["name"], "arguments": item["arguments"]},
                }
                if not messages or messages[-1][1]["role"] != "assistant":
                    messages.append((index, {"role": "assistant", "content": None}))
                messages[-1][1].setdefault("tool_calls", []).append(call)
            case "function_call_output":
                result = {"role": "tool", "tool_call_id": item["call_id"], "content": item["output"]}
                messages.append((index, result))
    return messages


def _at(key: Any, load: Any, value: Any) -> Any:
    """Return `load(value)`. Adds `key`, where the value stands, to the path of a `ValidationError`."""
    try:
        return load(value)
    except ValidationError as error:
        raise ValidationError({key: error.messages}) from None


def _item(item: Any) -> Item:
    if not isinstance(item, dict):
        raise ValidationError("Expected an object.")
    item = as_known(item)
    match item.get("type", "message"):
        case "message":
            if item.get("role") not in ROLES[:4]:
                raise ValidationError({"role": [f"Expected one of {', '.join(ROLES[:4])}."]})
            return {"type": "message", "role": item["role"], "content": _at("content", _text, item.get("content"))}
        case "function_call":
            call = {name: _at(name, _string, item.get(name)) for name in ("call_id", "name")}
            arguments = _at("arguments", Arguments().deserialize, item.get("arguments"))
            return {"type": "function_call", **call, "arguments": arguments}
        case "function_call_output":
            return {
                "type": "function_call_output",
                "call_id": _at("call_id", _string, item.get("call_id")),
                "output": _at("output", _text, item.get("output")),
            }
        case "reasoning":
            return {"type": "reasoning"}
        case other:
            raise ValidationError({"type": [f"Items of type {quoted(other)} are not supported."]})


def _string(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValidationError("Expected a string.")
    return value


def _text(content: Any) -> str:
    """Return the text of `content`, a string or a list of text parts."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        raise ValidationError("Expected a string or an array of text parts.")
    if len(content) > MAX_PARTS:
        raise ValidationError(f"Expected at most {MAX_PARTS} parts.")
    return "".join(_at(index, _part, part) for index, part in enumerate(content))


def _part(part: Any) -> str:
    if not isinstance(part, dict) or part.get("type") not in TEXT_PARTS:
        kind = part.get("type") if isinstance(part, dict) else part
        raise ValidationError({"type": [f"This server accepts text only, not {quoted(kind)}."]})
    if not isinstance(part.get("text"), str):
        raise ValidationError({"text": ["Expected a string."]})
    text: str = part["text"]
    return text
