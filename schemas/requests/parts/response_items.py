"""The items of a request of the Responses API, each loaded in the form in which the API returns items."""

from collections.abc import Callable
from typing import Any

from marshmallow import ValidationError, fields

from schemas.errors import quoted
from schemas.requests.parts.arguments import check_values, object_text
from schemas.requests.parts.json_types import at
from schemas.requests.parts.messages import MAX_MESSAGES, MAX_PARTS, ROLES
from schemas.requests.parts.tool_items import as_known

Item = dict[str, Any]

PREFIXES = {"message": "msg", "function_call": "fc", "function_call_output": "fco", "reasoning": "rs"}
"""By type: how an item's id begins."""
TEXT_PARTS = ("input_text", "output_text", "text")
MAX_REFERENCES = 1000
"""Most `item_reference`s of a request."""
MAX_ID = 254
"""Most characters of an item's id: one less than a conversation's, because the store marks an item's id by one more."""


class Input(fields.Field[list[Item]]):
    """A string, which becomes one message of the user, or a list of items."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Item]:
        if isinstance(value, str):
            return [_load_item({"role": "user", "content": value})]
        if not isinstance(value, list):
            raise ValidationError("Expected a string or an array of items.")
        if len(value) > MAX_MESSAGES:
            raise ValidationError(f"Expected at most {MAX_MESSAGES} items.")
        items = [at(index, _load_item, item) for index, item in enumerate(value)]
        if sum(item["type"] == "item_reference" for item in items) > MAX_REFERENCES:
            raise ValidationError(f"Expected at most {MAX_REFERENCES} item references.")
        check_values(*(item["arguments"] for item in items if item["type"] == "function_call"))
        return items


def name_items(items: list[Item], make_id: Callable[[str], str]) -> None:
    """Give an id to each of `items` that has none. `make_id` returns an id with the given prefix."""
    for item in items:
        item["id"] = item["id"] or make_id(PREFIXES[item["type"]])


def text_part(role: str, text: str) -> dict[str, Any]:
    """Return a text part of a message: the API names an assistant's `output_text`, and all others' `input_text`."""
    if role == "assistant":
        return {"type": "output_text", "text": text, "annotations": []}
    return {"type": "input_text", "text": text}


def _load_item(item: Any) -> Item:
    if not isinstance(item, dict):
        raise ValidationError("Expected an object.")
    item = as_known(item)
    kind = item.get("type")
    if kind is None:
        kind = "item_reference" if "role" not in item and "id" in item else "message"
    load = LOADERS.get(kind) if isinstance(kind, str) else None
    if load is None:
        raise ValidationError({"type": [f"Items of type {quoted(kind)} are not supported."]})
    return load(item)


def _load_message(item: Item) -> Item:
    role = item.get("role")
    if role not in ROLES[:4]:
        raise ValidationError({"role": [f"Expected one of {', '.join(ROLES[:4])}."]})
    given = item.get("content")
    if given is None and (role == "assistant" or "content" in item):
        given = []
    content = at("content", lambda value: _load_content(role, value), given)
    return {"id": _id(item), "type": "message", "role": role, "status": "completed", "content": content}


def _load_call(item: Item) -> Item:
    call = {name: at(name, _string, item.get(name)) for name in ("call_id", "name")}
    arguments = at("arguments", object_text, item.get("arguments"))
    return {"id": _id(item), "type": "function_call", **call, "arguments": arguments, "status": "completed"}


def _load_output(item: Item) -> Item:
    output = item.get("output")
    return {
        "id": _id(item),
        "type": "function_call_output",
        "call_id": at("call_id", _string, item.get("call_id")),
        "output": output
        if isinstance(output, str)
        else at("output", lambda value: _load_content("tool", value), output),
        "status": "completed",
    }


def _load_reasoning(item: Item) -> Item:
    """Return the reasoning's texts, which no message has: chat templates leave the reasoning of earlier turns out."""
    loaded: Item = {"id": _id(item), "type": "reasoning"}
    for name, kind in (("summary", "summary_text"), ("content", "reasoning_text")):
        given = item.get(name)
        parts = given[:MAX_PARTS] if isinstance(given, list) else []
        texts = [part["text"] for part in parts if isinstance(part, dict) and isinstance(part.get("text"), str)]
        loaded[name] = [{"type": kind, "text": text} for text in texts]
    return loaded


def _load_reference(item: Item) -> Item:
    return {"type": "item_reference", "id": at("id", _short, item.get("id"))}


LOADERS: dict[str, Callable[[Item], Item]] = {
    "message": _load_message,
    "function_call": _load_call,
    "function_call_output": _load_output,
    "reasoning": _load_reasoning,
    "item_reference": _load_reference,
}
"""From an item's type to the function that loads it."""


def _id(item: Item) -> str | None:
    """Return the item's own id. None: it has none yet (see `name_items`)."""
    given = item.get("id")
    return at("id", _short, given) if given not in (None, "") else None


def _short(value: Any) -> str:
    if len(_string(value)) > MAX_ID:
        raise ValidationError(f"Expected at most {MAX_ID} characters.")
    text: str = value
    return text


def _string(value: Any) -> str:
    if not isinstance(value, str) or not value:
        raise ValidationError("Expected a string.")
    return value


def _load_content(role: str, content: Any) -> list[dict[str, Any]]:
    """Return the parts of `content`, which is a string or a list of strings and text parts."""
    if isinstance(content, str):
        return [text_part(role, content)]
    if not isinstance(content, list):
        raise ValidationError("Expected a string or an array of text parts.")
    if len(content) > MAX_PARTS:
        raise ValidationError(f"Expected at most {MAX_PARTS} parts.")
    return [at(index, lambda part: _load_part(role, part), part) for index, part in enumerate(content)]


def _load_part(role: str, part: Any) -> dict[str, Any]:
    if isinstance(part, str):
        return text_part(role, part)
    kind = part.get("type") if isinstance(part, dict) else part
    if kind == "refusal" and role == "assistant":
        return {"type": "refusal", "refusal": at("refusal", _text, part.get("refusal"))}
    if not isinstance(part, dict) or kind not in TEXT_PARTS:
        raise ValidationError({"type": [f"This server accepts text only, not {quoted(kind)}."]})
    return text_part(role, at("text", _text, part.get("text")))


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ValidationError("Expected a string.")
    return value
