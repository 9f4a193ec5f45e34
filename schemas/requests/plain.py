"""`POST /`: the plain API's request body."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate

from schemas import wire
from schemas.requests.generation import Request
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import REST_OF_CONTEXT, Items, Text, TokenLimit, optional
from schemas.requests.parts.messages import MAX_MESSAGES
from schemas.requests.sampling import SamplingSchema, nucleus

ENGINE_NAMES = {"messages": "prompt", "max_tokens": "max_length"}
"""The engine's name of a field to this API's name, for error messages."""


class Turn(fields.Field[list[str]]):
    """One turn: `[the user's text, the answer]`."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str]:
        if not isinstance(value, list) or len(value) != 2 or any(type(text) is not str for text in value):
            raise ValidationError("Expected an array of two strings: the user's text and the answer.")
        return value


class PlainSchema(SamplingSchema):
    """The body of a request to the plain API. Loads a `Request`."""

    prompt = Text(required=True, metadata={"description": "The user's text."})
    history = optional(
        Items,
        [],
        "The turns so far, the oldest first: each `[the user's text, the answer]`. The reply's `history` has the new "
        "turn at its end: send it with the next prompt to continue.",
        Turn(),
        validate=validate.Length(max=MAX_MESSAGES),
    )
    max_length = optional(
        TokenLimit,
        None,
        "Most tokens of the answer. More than the model's context length is a 400. -1: the rest of the context.",
        otherwise="the rest of the context",
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
    )

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> Request:
        self.fill_defaults(data)
        messages = []
        for prompt, answer in data["history"]:
            messages += [{"role": "user", "content": prompt}, {"role": "assistant", "content": answer}]
        messages.append({"role": "user", "content": data["prompt"]})
        max_tokens = None if data["max_length"] == REST_OF_CONTEXT else data["max_length"]
        sampling = wire.Sampling(max_tokens=max_tokens, temperature=data["temperature"], **nucleus(data))
        params = wire.GenerateParams(messages=messages, sampling=sampling)
        return Request(params=params, model=None, warnings=warnings.taken())
