"""The JSON of the Responses API, as OpenAI defines it: the response object, and the events of a stream."""

import time
from itertools import count
from typing import Any, ClassVar

from schemas.errors import ApiError
from schemas.replies.blocks import encode_pieces
from schemas.replies.choice import Choice
from schemas.replies.response_output import Output
from schemas.replies.shape import Shape
from schemas.wire import Delta

CUT_OFF = {"reason": "max_output_tokens"}
CODES = {400: "invalid_prompt", 429: "rate_limit_exceeded"}
"""OpenAI's list of a failed response's codes has these two, `server_error`, and codes that concern images.

Hearth's own code of an error is its `type`, which may be any text.
"""


class ResponseShape(Shape):
    """The reply of the Responses API."""

    prefix = "resp"
    separator = "_"
    object = chunk_object = "response"
    engine_names: ClassVar[dict[str, str]] = {
        "messages": "input",
        "max_tokens": "max_output_tokens",
        "conversation_id": "conversation",
        r"(tools\[\d+\])\.function": r"\1",
    }
    fails_after_opening = True

    def __init__(self, echoed: dict[str, Any], conversation: str | None, *args: Any, **kwargs: Any) -> None:
        """`echoed`: the request's fields that the reply repeats. `conversation`: its id, or None."""
        super().__init__(*args, **kwargs)
        self._echoed = {**echoed, "conversation": None if conversation is None else {"id": conversation}}
        self._output = Output(self._event, self.new_item_id)
        self._item_numbers = count()
        self._sequence = 0
        self._created = False
        """Whether `queued_chunks` has told the client of the response."""
        self.completed_at: int | None = None
        """When the answer was complete, in Unix seconds. None: it is not, or nobody has asked."""

    def add(self, delta: Delta) -> None:
        super().add(delta)
        self._output.add(delta)

    def _encode_scores(self, choice: Choice) -> None:
        choice.logprobs = []  # the output items have them

    def whole_pieces(self) -> list[bytes]:
        return encode_pieces(self.body())

    @property
    def output(self) -> list[dict[str, Any]]:
        """The output items so far."""
        return self._output.items

    def new_item_id(self, prefix: str) -> str:
        """Return a new id for an item of this response's input or output. It tells which response has the item."""
        return f"{prefix}_{self.id.removeprefix('resp_')}{next(self._item_numbers):04x}"

    def body(self) -> dict[str, Any]:
        """Return the response object in its present state, complete or not."""
        finish_reason = self.choices[0].finish_reason
        status = {None: "in_progress", "length": "incomplete"}.get(finish_reason, "completed")
        if status == "completed" and self.completed_at is None:
            self.completed_at = int(time.time())
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created,
            "completed_at": self.completed_at,
            "status": status,
            "error": None,
            "incomplete_details": CUT_OFF if status == "incomplete" else None,
            "model": self.model,
            "output": self._output.items,
            **self._echoed,
            "usage": None if finish_reason is None else self._usage(),
            **({} if self.warning is None else {"warning": self.warning}),
        }

    def body_in(self, state: str, error: ApiError | None = None) -> dict[str, Any]:
        """Return the response object in a state that the answer itself does not show: `queued`, `in_progress`,
        `cancelled`, or `failed` with its `error`.
        """
        if state in ("failed", "cancelled"):
            self._output.break_off()
        return {**self.body(), "status": state, "error": None if error is None else _failure(error)}

    def queued_chunks(self) -> bytes:
        """Return the first events of a response in the background, which are sent before it is begun. `opening_chunks`
        has those that follow.
        """
        body = self.body_in("queued")
        self._created = True
        return b"".join(
            (*self._event("response.created", response=body), *self._event("response.queued", response=body))
        )

    def opening_chunks(self) -> bytes:
        body = self.body()
        created = [] if self._created else self._event("response.created", response=body)
        return b"".join((*created, *self._event("response.in_progress", response=body)))

    def chunk(self, delta: Delta) -> bytes:
        return b"".join(self.chunk_pieces(delta))

    def chunk_pieces(self, delta: Delta) -> list[bytes]:
        choice = self.choices[delta.index]
        choice.finish_reason = delta.finish_reason
        self._count(delta)
        return self._output.add(delta)

    def closing_chunks(self, *, include_usage: bool) -> bytes:
        return b"".join(self.closing_pieces(include_usage=include_usage))

    def closing_pieces(self, *, include_usage: bool) -> list[bytes]:
        body = self.body()
        return self._event(f"response.{body['status']}", response=body)

    def error_pieces(self, error: ApiError) -> list[bytes]:
        return self._event("response.failed", response=self.body_in("failed", error))

    def cancelled_pieces(self) -> list[bytes]:
        return self._event("response.cancelled", response=self.body_in("cancelled"))

    def _usage(self) -> dict[str, Any]:
        usage = self.usage()
        return {
            "input_tokens": usage["prompt_tokens"],
            "input_tokens_details": {**usage["prompt_tokens_details"], "cache_write_tokens": 0},
            "output_tokens": usage["completion_tokens"],
            "output_tokens_details": usage["completion_tokens_details"],
            "total_tokens": usage["total_tokens"],
        }

    def _event(self, kind: str, **fields: Any) -> list[bytes]:
        """Return a server-sent event in pieces: the long ones are the log probabilities, the same in every event."""
        event = {"type": kind, "sequence_number": self._sequence, **fields}
        self._sequence += 1
        first, *others = encode_pieces(event)
        return [b"event: %b\ndata: %b" % (kind.encode(), first), *others, b"\n\n"]


def _failure(error: ApiError) -> dict[str, Any]:
    return {
        "code": CODES.get(error.status, "server_error"),
        "message": error.message,
        "type": error.code or error.type,
        "param": error.param,
    }
