"""The content blocks of a message of Anthropic's API, whole and as events."""

from typing import Any

import msgspec

from schemas.replies.choice import Choice
from schemas.shared.client_json import INVALID
from schemas.wire import Delta, ToolCall

SIGNATURE = "unsigned"
"""Stands where Anthropic signs its models' thinking: some clients drop thinking that has no signature."""

encode_json = msgspec.json.encode
_OBJECT = msgspec.json.Decoder(dict[str, msgspec.Raw])
"""Checks an object without building its values: how many there are is the model's choice."""


def event(kind: str, **fields: Any) -> bytes:
    """Return a server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode_json({"type": kind, **fields}))


def blocks_of(choice: Choice) -> list[dict[str, Any]]:
    """Return the content of a whole message; an empty list where the model has said nothing."""
    blocks: list[dict[str, Any]] = []
    if choice.reasoning:
        blocks.append({"type": "thinking", "thinking": "".join(choice.reasoning), "signature": SIGNATURE})
    if text := "".join(choice.text):
        blocks.append(_opened("text", text=text))
    for call in choice.calls:
        blocks.append(_opened("tool_use", id=call.id, name=call.name, input=msgspec.Raw(_input(call.arguments))))
    return blocks


class ContentEvents:
    """The events of a stream's content blocks. Blocks come one after another: only the last is open."""

    def __init__(self) -> None:
        self._index = -1
        self._kind = ""
        """The type of the open block; empty: none is open."""
        self._arguments: list[str] = []
        """Those of the open call. They are sent when it is complete, as an object whatever the model has written."""

    def add(self, delta: Delta) -> list[bytes]:
        """Return the events of what `delta` adds."""
        events: list[bytes] = []
        if delta.reasoning:
            events += self._add_text("thinking", delta.reasoning)
        if delta.text:
            events += self._add_text("text", delta.text)
        for call in delta.tool_calls:
            events += self._add_call(call)
        if delta.finish_reason is not None:
            events += self._close()
        return events

    def _add_text(self, kind: str, text: str) -> list[bytes]:
        events: list[bytes] = []
        if self._kind != kind:
            empty = {"text": ""} if kind == "text" else {"thinking": "", "signature": ""}
            events = [*self._close(), self._open(_opened(kind, **empty))]
        return [*events, self._delta(f"{kind}_delta", kind, text)]

    def _add_call(self, call: ToolCall) -> list[bytes]:
        events: list[bytes] = []
        if call.id:
            events = [*self._close(), self._open(_opened("tool_use", id=call.id, name=call.name, input={}))]
        self._arguments.append(call.arguments)
        return events

    def _open(self, block: dict[str, Any]) -> bytes:
        self._kind = block["type"]
        self._index += 1
        return event("content_block_start", index=self._index, content_block=block)

    def _close(self) -> list[bytes]:
        """End the open block, if there is one."""
        kind, self._kind = self._kind, ""
        if not kind:
            return []
        events: list[bytes] = []
        if kind == "thinking":
            events.append(self._delta("signature_delta", "signature", SIGNATURE))
        elif kind == "tool_use":
            arguments, self._arguments = "".join(self._arguments), []
            events.append(self._delta("input_json_delta", "partial_json", _input(arguments).decode()))
        return [*events, event("content_block_stop", index=self._index)]

    def _delta(self, kind: str, name: str, text: str) -> bytes:
        return (
            b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b","%b":%b}}'
            b"\n\n"
        ) % (self._index, kind.encode(), name.encode(), encode_json(text))


def _opened(kind: str, **members: Any) -> dict[str, Any]:
    """Return a block with every member that Anthropic's document requires."""
    more: dict[str, dict[str, Any]] = {"text": {"citations": None}, "tool_use": {"caller": {"type": "direct"}}}
    return {"type": kind, **members, **more.get(kind, {})}


def _input(arguments: str) -> bytes:
    """Return a call's arguments as the JSON of an object. What is none is the value of `INVALID_JSON`."""
    if not arguments.strip():
        return b"{}"
    try:
        _OBJECT.decode(arguments)
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return encode_json({INVALID: arguments})
    return arguments.encode()
