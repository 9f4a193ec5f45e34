"""The JSON of Anthropic's Messages API: the message, and the events of a stream."""

from collections.abc import Collection
from typing import Any, ClassVar

from schemas.errors import ApiError
from schemas.replies.anthropic.content import ContentEvents, blocks_of, event
from schemas.replies.anthropic.error import error_body
from schemas.replies.shape import Shape
from schemas.wire import Delta


class MessageShape(Shape):
    """The reply of the Messages API."""

    prefix = "msg"
    separator = "_"
    object = chunk_object = "message"
    engine_names: ClassVar[dict[str, str]] = {
        r"(tools\[\d+\])\.function\.parameters": r"\1.input_schema",
        r"(tools\[\d+\])\.function": r"\1",
        r"response_format": "output_config.format",
        r"stop": "stop_sequences",
    }
    ping = event("ping")

    def __init__(self, stops: Collection[str], *args: Any, **kwargs: Any) -> None:
        """`stops`: the request's `stop_sequences`."""
        super().__init__(*args, **kwargs)
        self._stops = stops
        self._events = ContentEvents()
        self._begun = False
        self._called = False

    def whole_pieces(self) -> list[bytes]:
        (choice,) = self.choices
        self._called = bool(choice.calls)
        return self.encoded(self._message(blocks_of(choice)))

    def opening_chunks(self) -> bytes:
        return b""  # the first delta says how much of the prompt was cached, which `message_start` counts

    def chunk(self, delta: Delta) -> bytes:
        self._count(delta)
        events = b"" if self._begun else self._start()
        self._called = self._called or bool(delta.tool_calls)
        (choice,) = self.choices
        choice.finish_reason, choice.stop_reason = delta.finish_reason, delta.stop_reason
        return events + b"".join(self._events.add(delta))

    def closing_chunks(self, *, include_usage: bool) -> bytes:
        delta = {"container": None, "stop_details": None, **self._stop()}
        more = {} if (warning := self._new_warning()) is None else {"warning": warning}
        return event("message_delta", delta=delta, usage=self._usage(), **more) + event("message_stop")

    def error_pieces(self, error: ApiError) -> list[bytes]:
        return [event("error", **error_body(error, self.id))]

    def _start(self) -> bytes:
        self._begun = True
        message = self._message([])
        if (warning := self._new_warning()) is not None:
            message["warning"] = warning
        return event("message_start", message=message)

    def _message(self, content: list[dict[str, Any]]) -> dict[str, Any]:
        """Return the message, complete or not, with every member that Anthropic's document requires."""
        nothing = {"cache_creation": None, "inference_geo": None, "server_tool_use": None}
        return {
            "id": self.id,
            "type": "message",
            "role": "assistant",
            "model": self.model,
            "content": content,
            "container": None,
            "stop_details": None,
            **self._stop(),
            "usage": {**self._usage(), **nothing, "service_tier": "standard"},
        }

    def _stop(self) -> dict[str, Any]:
        """Return why the message has ended; both members are None while it has not."""
        (choice,) = self.choices
        if choice.finish_reason is None:
            return {"stop_reason": None, "stop_sequence": None}
        if choice.finish_reason == "length":
            return {"stop_reason": "max_tokens", "stop_sequence": None}
        if choice.stop_reason in self._stops:
            return {"stop_reason": "stop_sequence", "stop_sequence": choice.stop_reason}
        return {"stop_reason": "tool_use" if self._called else "end_turn", "stop_sequence": None}

    def _usage(self) -> dict[str, Any]:
        """Return the usage so far. What was cached does not count in `input_tokens`, as Anthropic counts."""
        cached = min(self.cached_tokens, self.prompt_tokens)
        return {
            "input_tokens": self.prompt_tokens - cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": cached,
            "output_tokens": self.completion_tokens,
            "output_tokens_details": {"thinking_tokens": self.reasoning_tokens},
        }
