"""Items of the Responses API as messages of a chat, and messages as items."""

from collections.abc import Callable
from typing import Any

from schemas.requests.parts.response_items import Item, text_part

Message = dict[str, Any]


def messages_of(items: list[Item]) -> list[Message]:
    """Return the messages of a chat for `items`."""
    return [message for message, _ in grouped(items)]


def place_of(items: list[Item], message: int) -> str:
    """Return the field of the item of which message number `message` of `messages_of(items)` is made.

    `input`: there is no such message.
    """
    groups = grouped(items)
    if message >= len(groups):
        return "input"
    group = groups[message][1]
    first = next((item for item in group if item["type"] != "reasoning"), group[0])
    return f"input[{next(index for index, item in enumerate(items) if item is first)}].call_id"


def grouped(items: list[Item]) -> list[tuple[Message, list[Item]]]:
    """Return the messages of a chat for `items`, each with the items that it was made of.

    Consecutive function calls become one message. Reasoning is in no message, but stands with the items of the next.
    """
    groups: list[tuple[Message, list[Item]]] = []
    reasoning: list[Item] = []
    for item in items:
        if item["type"] == "reasoning":
            reasoning.append(item)
            continue
        message = _message_of(item)
        last = groups[-1][0] if groups else None
        if item["type"] == "function_call" and last is not None and last["role"] == "assistant":
            last.setdefault("tool_calls", []).extend(message["tool_calls"])
            groups[-1][1].extend([*reasoning, item])
        else:
            groups.append((message, [*reasoning, item]))
        reasoning = []
    if groups:
        groups[-1][1].extend(reasoning)
    return groups


def items_of(message: Message, make_id: Callable[[str], str]) -> list[Item]:
    """Return the items of a chat's `message`. `make_id` returns an id with the given prefix."""
    if message["role"] == "tool":
        output = {"call_id": message.get("tool_call_id") or "", "output": _joined(message.get("content"))}
        return [{"id": make_id("fco"), "type": "function_call_output", **output, "status": "completed"}]
    calls = message.get("tool_calls") or ()
    items: list[Item] = []
    if message.get("content") or not calls:
        content = message.get("content") or ""
        texts = [content] if isinstance(content, str) else [part["text"] for part in content]
        parts = [text_part(message["role"], text) for text in texts]
        head = {"id": make_id("msg"), "type": "message", "role": message["role"], "status": "completed"}
        items.append({**head, "content": parts})
    for call in calls:
        function = {"name": call["function"]["name"], "arguments": call["function"]["arguments"]}
        head = {"id": make_id("fc"), "type": "function_call", "call_id": call["id"]}
        items.append({**head, **function, "status": "completed"})
    return items


def _message_of(item: Item) -> Message:
    match item["type"]:
        case "message":
            return {"role": item["role"], "content": _joined(item["content"])}
        case "function_call":
            function = {"name": item["name"], "arguments": item["arguments"]}
            call = {"id": item["call_id"], "type": "function", "function": function}
            return {"role": "assistant", "content": None, "tool_calls": [call]}
        case _:
            return {"role": "tool", "tool_call_id": item["call_id"], "content": _joined(item["output"])}


def _joined(content: Any) -> str:
    """Return the text of `content`: a string, None, or a list of parts."""
    if not isinstance(content, list):
        return content or ""
    return "".join(part["refusal"] if part.get("type") == "refusal" else part["text"] for part in content)
