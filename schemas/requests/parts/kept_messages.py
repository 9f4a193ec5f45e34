"""Messages as clients keep them: in the forms of older APIs, other servers and client libraries."""

import json
from typing import Any

Message = dict[str, Any]

_ASKING = ("system", "developer", "user")


def as_sent_today(message: Message) -> Message:
    """Return `message`, which has no nulls, in the form of OpenAI's present API. The given message is not changed.

    What cannot be meant stays, and is refused later.
    """
    role = message.get("role")
    message = dict(message)
    if "reasoning_content" in message:  # the name of older vLLMs, and of DeepSeek's API
        message.setdefault("reasoning", message.pop("reasoning_content"))
    if role == "assistant":
        _assistant(message)
    elif role in ("tool", "function"):
        message["role"] = "tool"
        message["content"] = result_text(message.get("content"))
    elif role in _ASKING and message.get("content") == []:
        message["content"] = ""
    return message


def _assistant(message: Message) -> None:
    function, calls = message.pop("function_call", None), message.get("tool_calls")
    if not calls:
        message.pop("tool_calls", None)
        if isinstance(function, dict):
            message["tool_calls"] = [{"function": function}]
    elif isinstance(calls, list):
        message["tool_calls"] = [_named(index, call) for index, call in enumerate(calls)]
    if not message.get("content"):
        refusal = message.get("refusal")
        message["content"] = refusal if isinstance(refusal, str) else ""
        if not message["content"] and message.get("tool_calls"):
            del message["content"]


def _named(index: int, call: Any) -> Any:
    """Return a call that has an id. Calls of other types (`custom`) become calls of a function."""
    if not isinstance(call, dict):
        return call
    call = {**call, "id": call.get("id") or f"call_{index}"}
    custom = call.get("custom")
    if call.get("type") == "custom" and isinstance(custom, dict):
        function = {"name": custom.get("name"), "arguments": {"input": custom.get("input")}}
        return {"id": call["id"], "type": "function", "function": function}
    return call


def result_text(content: Any) -> Any:
    """Return the content of a tool's message: text, or text parts. Other JSON becomes its text."""
    if isinstance(content, str):
        return content
    if isinstance(content, list) and content and all(isinstance(part, dict) and "type" in part for part in content):
        return content
    return "" if content in (None, []) else json.dumps(content, ensure_ascii=False)
