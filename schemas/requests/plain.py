"""`POST /`: the plain API's request body."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from schemas import wire
from schemas.requests.generation import Request, SamplingSchema
from schemas.requests.json_types import Int, Items, Text, optional

ENGINE_NAMES = {"messages": "prompt", "max_tokens": "max_length"}
"""What the engine calls a field, and what this API calls it."""


class Turn(fields.Field[list[str]]):
    """`[what the user said, what was answered]`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or len(value) != 2 or any(type(text) is not str for text in value):
            raise ValidationError("Expected an array of two strings: what the user said, and the answer.")
        return value


class PlainSchema(SamplingSchema):
    """A prompt and what was said before it."""

    prompt = Text(required=True, metadata={"description": "What the user says."})
    history = optional(
        Items,
        [],
        "The turns so far, the oldest first: each `[what the user said, the answer]`. The reply's own `history` is "
        "this one with the new turn; send it with the next prompt to go on.",
        Turn(),
    )
    max_length = optional(
        Int,
        None,
        "Most tokens of the answer. More than the model's whole context is a 400.",
        otherwise="the rest of the context",
        validate=validate.Range(1, 2**31 - 1),
    )

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> Request:
        self.fill_defaults(data)
        messages = []
        for said, answered in data["history"]:
            messages += [{"role": "user", "content": said}, {"role": "assistant", "content": answered}]
        messages.append({"role": "user", "content": data["prompt"]})
        sampling = wire.Sampling(max_tokens=data["max_length"], top_p=data["top_p"], temperature=data["temperature"])
        return Request(params=wire.GenerateParams(messages=messages, sampling=sampling), model=None)
