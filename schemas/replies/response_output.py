"""The output items of a response (reasoning, text, function calls), and the events of a stream that builds them."""

from collections.abc import Callable
from typing import Any

from schemas.replies.blocks import Blocks
from schemas.replies.chat import token_logprobs
from schemas.wire import Delta, ToolCall

Item = dict[str, Any]
MakeEvent = Callable[..., list[bytes]]


class Output:
    """The items of one response. They grow delta by delta, and only the last one is open."""

    def __init__(self, event: MakeEvent, new_id: Callable[[str], str]) -> None:
        """`event` returns the pieces of the server-sent event of a type with the given fields, `new_id` an id with a
        prefix.
        """
        self.items: list[Item] = []
        self._event = event
        self._new_id = new_id
        self._unsent_logprobs = Blocks()
        """Log probabilities of tokens whose text has not arrived yet, because it may be a part of a stop string."""

    def add(self, delta: Delta) -> list[bytes]:
        """Add `delta` to the items. Returns the events for it."""
        events: list[bytes] = []
        if delta.logprobs and not (delta.reasoning and not delta.text):
            self._unsent_logprobs.add(token_logprobs(delta.logprobs))
        if delta.reasoning:
            events += self._add_text("reasoning", "reasoning_text", delta.reasoning)
        if delta.text:
            events += self._add_text("message", "output_text", delta.text)
        for call in delta.tool_calls:
            events += self._add_call(call)
        if delta.finish_reason is not None:
            if not self.items:
                events += self._open_text("message", "output_text")  # an empty answer is a message, too
            events += self._close(cut_off=delta.finish_reason == "length")
        return events

    def break_off(self) -> None:
        """Mark the open item as incomplete: the response has failed."""
        if self.items and self._last["status"] == "in_progress":
            self._last["status"] = "incomplete"

    def _add_text(self, kind: str, part: str, text: str) -> list[bytes]:
        """Append `text` to the open item of type `kind`, or to a new one. Returns the events."""
        events: list[bytes] = []
        if not self.items or self._last["type"] != kind or self._last["status"] != "in_progress":
            events += self._close(cut_off=False) + self._open_text(kind, part)
        self._last["content"][0]["text"] += text
        return events + self._event(f"response.{part}.delta", delta=text, **self._logprobs(part), **self._part_at())

    def _open_text(self, kind: str, part: str) -> list[bytes]:
        item: Item = {"type": kind, "id": self._new_id("msg" if kind == "message" else "rs"), "status": "in_progress"}
        more: Item = {"role": "assistant"} if kind == "message" else {"summary": []}
        events = self._open({**item, **more, "content": []})
        extra: dict[str, Any] = {"annotations": [], "logprobs": Blocks()} if part == "output_text" else {}
        self._last["content"].append({"type": part, "text": "", **extra})
        return events + self._event("response.content_part.added", part=self._last["content"][0], **self._part_at())

    def _logprobs(self, part: str) -> dict[str, Any]:
        """Return the field of a delta's event with the log probabilities since the last, and add them to the part."""
        if part != "output_text":
            return {}
        unsent, self._unsent_logprobs = self._unsent_logprobs, Blocks()
        self._last["content"][0]["logprobs"].extend(unsent)
        return {"logprobs": unsent}

    def _add_call(self, call: ToolCall) -> list[bytes]:
        events: list[bytes] = []
        if call.id:
            events += self._close(cut_off=False)
            item = {"type": "function_call", "id": self._new_id("fc"), "call_id": call.id, "name": call.name}
            events += self._open({**item, "arguments": "", "status": "in_progress"})
        self._last["arguments"] += call.arguments
        if call.arguments:
            events += self._event("response.function_call_arguments.delta", delta=call.arguments, **self._item_at())
        return events

    @property
    def _last(self) -> Item:
        return self.items[-1]

    def _open(self, item: Item) -> list[bytes]:
        self.items.append(item)
        return self._event("response.output_item.added", item=item, output_index=len(self.items) - 1)

    def _close(self, *, cut_off: bool) -> list[bytes]:
        """End the open item, if there is one. `cut_off`: it is incomplete. Returns the events."""
        if not self.items or self._last["status"] != "in_progress":
            return []
        item = self._last
        events: list[bytes] = []
        item["status"] = "incomplete" if cut_off else "completed"
        if item["type"] == "function_call":
            call = {"arguments": item["arguments"], "name": item["name"]}
            events += self._event("response.function_call_arguments.done", **call, **self._item_at())
        else:
            (part,) = item["content"]
            self._logprobs(part["type"])
            more = {"logprobs": part["logprobs"]} if part["type"] == "output_text" else {}
            events += self._event(f"response.{part['type']}.done", text=part["text"], **more, **self._part_at())
            events += self._event("response.content_part.done", part=part, **self._part_at())
        return events + self._event("response.output_item.done", item=item, output_index=len(self.items) - 1)

    def _item_at(self) -> dict[str, Any]:
        return {"item_id": self._last["id"], "output_index": len(self.items) - 1}

    def _part_at(self) -> dict[str, Any]:
        return {**self._item_at(), "content_index": 0}
