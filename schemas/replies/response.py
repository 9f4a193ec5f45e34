"""The JSON of the Responses API, as OpenAI defines it: the response object, and the events of a stream."""

import os
import time
from typing import Any

from schemas.errors import ApiError
from schemas.replies.shape import Shape, encode_json
from schemas.wire import Delta, ToolCall

Item = dict[str, Any]

MAX_TOKENS = {"reason": "max_output_tokens"}


class ResponseShape(Shape):
    """The reply of the Responses API. Its output grows item by item: reasoning, text, function calls."""

    prefix = "resp"
    separator = "_"
    object = chunk_object = "response"

    def __init__(self, echoed: dict[str, Any], conversation: str | None, *args: Any, **kwargs: Any) -> None:
        """`echoed`: the request's fields that the reply repeats. `conversation`: its id, or None."""
        super().__init__(*args, **kwargs)
        self._echoed = {**echoed, "conversation": None if conversation is None else {"id": conversation}}
        self._output: list[Item] = []
        self._sequence = 0
        self._completed_at: int | None = None

    def add(self, delta: Delta) -> None:
        super().add(delta)
        self._add_to_output(delta)

    def whole(self) -> bytes:
        return encode_json(self.body())

    def body(self) -> dict[str, Any]:
        """Return the response object in its present state, complete or not."""
        finish_reason = self.choices[0].finish_reason
        status = {None: "in_progress", "length": "incomplete"}.get(finish_reason, "completed")
        if finish_reason is not None and self._completed_at is None:
            self._completed_at = int(time.time())
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": self._completed_at,
            "status": status,
            "error": None,
            "incomplete_details": MAX_TOKENS if status == "incomplete" else None,
            "model": self.model,
            "output": self._output,
            "truncation": "disabled",
            **self._echoed,
            "usage": None if finish_reason is None else self._usage(),
            **({} if self.warning is None else {"warning": self.warning}),
        }

    def opening_chunks(self) -> bytes:
        body = self.body()
        return self._event("response.created", response=body) + self._event("response.in_progress", response=body)

    def chunk(self, delta: Delta) -> bytes:
        choice = self.choices[delta.index]
        choice.tokens += len(delta.token_ids)
        choice.finish_reason = delta.finish_reason
        self._count_cached(delta)
        return self._add_to_output(delta)

    def closing_chunks(self, *, include_usage: bool) -> bytes:
        body = self.body()
        return self._event(f"response.{body['status']}", response=body)

    def error_chunk(self, error: ApiError) -> bytes:
        failure = {"code": error.code or error.type, "message": error.message}
        return self._event("response.failed", response={**self.body(), "status": "failed", "error": failure})

    def _usage(self) -> dict[str, Any]:
        usage = self.usage()
        return {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": usage["prompt_tokens_details"],
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": usage["total_tokens"],
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        return b"event: %b\ndata: %b\n\n" % (kind.encode(), encode_json(event))

    # ---- items -----------------------------------------------------------------------------------------------------

    def _add_to_output(self, delta: Delta) -> bytes:
        """Add `delta` to the output items. Returns the server-sent events for it."""
        events = b""
        if delta.reasoning:
            events += self._add_text("reasoning", "reasoning_text", delta.reasoning)
        if delta.text:
            events += self._add_text("message", "output_text", delta.text)
        for call in delta.tool_calls:
            events += self._add_call(call)
        if delta.finish_reason is not None:
            events += self._close(delta.finish_reason)
        return events

    def _add_text(self, kind: str, part: str, text: str) -> bytes:
        """Append `text` to the open item of type `kind`, or to a new one. Returns the events."""
        events = b""
        if not self._is_open(kind):
            events += self._close(None)
            events += self._open(_text_item(kind))
            extra: dict[str, Any] = {"annotations": [], "logprobs": []} if part == "output_text" else {}
            self._last["content"].append({"type": part, "text": "", **extra})
            events += self._event("response.content_part.added", part=self._last["content"][0], **self._part_at())
        self._last["content"][0]["text"] += text
        more: dict[str, Any] = {"logprobs": []} if part == "output_text" else {}
        return events + self._event(f"response.{part}.delta", delta=text, **more, **self._part_at())

    def _add_call(self, call: ToolCall) -> bytes:
        events = b""
        if call.id:
            events += self._close(None)
            item = {"type": "function_call", "id": _new_id("fc"), "call_id": call.id, "name": call.name}
            events += self._open({**item, "arguments": "", "status": "in_progress"})
        self._last["arguments"] += call.arguments
        if call.arguments:
            events += self._event("response.function_call_arguments.delta", delta=call.arguments, **self._item_at())
        return events

    @property
    def _last(self) -> Item:
        return self._output[-1]

    def _is_open(self, kind: str) -> bool:
        return bool(self._output) and self._last["type"] == kind and self._last["status"] == "in_progress"

    def _open(self, item: Item) -> bytes:
        self._output.append(item)
        return self._event("response.output_item.added", item=item, output_index=len(self._output) - 1)

    def _close(self, finish_reason: str | None) -> bytes:
        """Complete the open item, if there is one. Returns the events, none where no item is open."""
        if not self._output or self._last["status"] != "in_progress":
            return b""
        item, events = self._last, b""
        item["status"] = "incomplete" if finish_reason == "length" else "completed"
        if item["type"] == "function_call":
            call = {"arguments": item["arguments"], "name": item["name"]}
            events += self._event("response.function_call_arguments.done", **call, **self._item_at())
        else:
            (part,) = item["content"]
            more: dict[str, Any] = {"logprobs": []} if part["type"] == "output_text" else {}
            events += self._event(f"response.{part['type']}.done", text=part["text"], **more, **self._part_at())
            events += self._event("response.content_part.done", part=part, **self._part_at())
        return events + self._event("response.output_item.done", item=item, output_index=len(self._output) - 1)

    def _item_at(self) -> dict[str, Any]:
        return {"item_id": self._last["id"], "output_index": len(self._output) - 1}

    def _part_at(self) -> dict[str, Any]:
        return {**self._item_at(), "content_index": 0}


def _text_item(kind: str) -> Item:
    item: Item = {"type": kind, "id": _new_id("msg" if kind == "message" else "rs"), "status": "in_progress"}
    more: Item = {"role": "assistant"} if kind == "message" else {"summary": []}
    return {**item, **more, "content": []}


def _new_id(prefix: str) -> str:
    return f"{prefix}_{os.urandom(16).hex()}"
