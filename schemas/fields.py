"""The fields that chat and text completions share, each with its type, range, default and documentation.

Meanings are OpenAI's, and where OpenAI has none, vLLM's. marshmallow's own number and string fields also take
`"5"` and `true`; a JSON API must not, so `Int`, `Number`, `Bool` and `Text` are strict.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from marshmallow import EXCLUDE, RAISE, Schema, ValidationError, fields, post_load, validate, validates_schema

from schemas import wire

INT64 = validate.Range(-(2**63), 2**63 - 1)
TOKEN_ID = validate.Range(0, 2**31 - 1)
MAX_STOPS = 64
MAX_STOP_CHARS = 1000  # text is held back until it can no longer begin a stop string, so one must stay short


class _Strict(fields.Field[Any]):
    """A JSON value of exactly these Python types (`bool` is no number)."""

    types: tuple[type, ...]
    expected: str

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if type(value) not in self.types:
            raise ValidationError(f"Expected {self.expected}.")
        return value


class Int(_Strict):
    types = (int,)
    expected = "an integer"


class Number(_Strict):
    types = (int, float)
    expected = "a number"


class Bool(_Strict):
    types = (bool,)
    expected = "true or false"


class Text(_Strict):
    types = (str,)
    expected = "a string"


class Seed(Int):
    """A 64-bit integer; -1 is like any other (vLLM itself takes it for "no seed")."""


class Items(fields.List[Any]):
    """A JSON array; a lone scalar too where `scalar` is set (`"stop": "\\n"`)."""

    def __init__(self, inner: fields.Field[Any], *, scalar: bool = False, **kwargs: Any) -> None:
        super().__init__(inner, **kwargs)
        self.scalar = scalar

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[Any]:
        if self.scalar and not isinstance(value, (list, dict)):
            value = [value]
        if not isinstance(value, list):
            raise ValidationError(
                "Expected an array." if not self.scalar else "Expected a string or an array of strings."
            )
        return list(super()._deserialize(value, attr, data, **kwargs))


class LogitBias(fields.Field[dict[str, float]]):
    """An object of token id (digits) or token text to a bias in [-100, 100]."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, float]:
        if not isinstance(value, Mapping):
            raise ValidationError("Expected an object of token to bias.")
        for token, bias in value.items():
            if type(bias) not in (int, float) or not -100 <= bias <= 100:
                raise ValidationError({token: ["Expected a number in [-100, 100]."]})
            if not token:
                raise ValidationError("A token must not be empty.")
        return dict(value)


def optional(field: type[fields.Field[Any]], default: Any, description: str, *args: Any, **kwargs: Any) -> Any:
    """A field that may be left out or null; both mean `default`."""
    return field(*args, load_default=default, allow_none=True, metadata={"description": description}, **kwargs)


class StreamOptionsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    include_usage = optional(Bool, False, "Send a last chunk with the token counts and no choices.")


@dataclass(slots=True)
class Request:
    """A valid request: what goes over the wire, and what the web tier needs to shape the reply."""

    generate: wire.Generate
    model: str
    include_usage: bool
    logprobs: bool
    force_prompt: str | None = None
    """An instruction to add to `generate.messages` when they are complete."""
    conversation_id: str | None = None


class GenerationSchema(Schema):
    """The fields that `/v1/chat/completions` and `/v1/completions` have in common."""

    class Meta:
        unknown = EXCLUDE
        ordered = True

    default_max_tokens: ClassVar[int | None]

    model = optional(Text, "", "Any name is served; the reply names the model that is really loaded.")
    temperature = optional(Number, None, "Sampling temperature; 0 is greedy.", validate=validate.Range(0, 2))
    top_p = optional(Number, None, "Nucleus sampling.", validate=validate.Range(0, 1, min_inclusive=False))
    top_k = optional(Int, None, "Only the k likeliest tokens; -1 or 0 is off.", validate=validate.Range(-1, 2**31 - 1))
    min_p = optional(
        Number, None, "Least probability, relative to the likeliest token's.", validate=validate.Range(0, 1)
    )
    seed = optional(Seed, None, "Makes sampling repeatable.", validate=INT64)
    presence_penalty = optional(Number, 0.0, "Against tokens already generated.", validate=validate.Range(-2, 2))
    frequency_penalty = optional(
        Number, 0.0, "Against tokens already generated, by how often.", validate=validate.Range(-2, 2)
    )
    repetition_penalty = optional(
        Number,
        None,
        "Against tokens of the prompt and the answer; 1 is off, above 1 discourages.",
        validate=validate.Range(0, 100, min_inclusive=False),
    )
    n = optional(Int, 1, "How many choices.", validate=validate.Range(1, 128))
    best_of = optional(
        Int, None, "Generate this many and return the n best by mean log probability.", validate=validate.Range(1, 128)
    )
    max_tokens = optional(Int, None, "Most tokens of one choice.", validate=validate.Range(1, 2**31 - 1))
    stop = optional(
        Items,
        [],
        "Text, or up to 64 texts, that end a choice; cut from the output.",
        Text(validate=validate.Length(1, MAX_STOP_CHARS)),
        scalar=True,
        validate=validate.Length(max=MAX_STOPS),
    )
    stop_token_ids = optional(
        Items,
        [],
        "Token ids that end a choice; ids outside the vocabulary never match.",
        Int(validate=TOKEN_ID),
        validate=validate.Length(max=1024),
    )
    stream = optional(Bool, False, "Send server-sent events as the text comes.")
    stream_options = fields.Nested(
        StreamOptionsSchema, load_default=None, allow_none=True, metadata={"description": "With `stream` only."}
    )
    logit_bias = optional(
        LogitBias,
        {},
        "Token id in digits, or token text, to a bias in [-100, 100].",
        validate=validate.Length(max=1024),
    )
    white_list_token_ids = optional(
        Items, [], "Only these tokens may be generated.", Int(validate=TOKEN_ID), validate=validate.Length(max=1024)
    )
    white_list_token = optional(
        Items,
        [],
        "Only these tokens, given as text, may be generated.",
        Text(validate=validate.Length(1, MAX_STOP_CHARS)),
        validate=validate.Length(max=1024),
    )
    user = optional(Text, "", "Goes to the log line with the request id.")
    ignore_eos = optional(Bool, False, "Go on past the end-of-text token.")
    use_beam_search = optional(Bool, False, "Beam search instead of sampling.")
    length_penalty = optional(
        Number, 1.0, "Exponent of the length in a beam's score.", validate=validate.Range(-100, 100)
    )
    skip_special_tokens = optional(Bool, True, "Leave special tokens out of the text.")
    spaces_between_special_tokens = optional(Bool, True, "Put spaces between special tokens.")
    include_stop_str_in_output = optional(Bool, False, "Keep the stop text in the output.")
    echo = optional(Bool, False, "Put the prompt before the answer.")
    enable_repeat_stopper = optional(Bool, False, "End a choice that has fallen into a loop.")
    add_default_stop = optional(Bool, True, "Add the server's default stops to the request's own.")

    def __init__(self, *, strict_fields: bool = False, **kwargs: Any) -> None:
        super().__init__(unknown=RAISE if strict_fields else EXCLUDE, **kwargs)

    @validates_schema
    def _check_best_of(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["stream"] and not data["use_beam_search"] and (data["best_of"] or 1) > (data["n"] or 1):
            raise ValidationError("`best_of` above `n` cannot be streamed: who wins is known at the end.", "best_of")

    @validates_schema
    def _check_stream_options(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["stream_options"] is not None and not data["stream"]:
            raise ValidationError("Only allowed with `stream`: true.", "stream_options")

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> Request:
        for name, field in self.fields.items():
            if data.get(name) is None:
                data[name] = field.load_default
        return Request(
            generate=wire.Generate(
                id=0,
                name="",
                n=data["n"],
                best_of=data["best_of"] or 0,
                echo=data["echo"],
                stream=data["stream"],
                user=data["user"],
                sampling=self._sampling(data),
                **self._prompt(data),
            ),
            model=data["model"],
            include_usage=bool(data["stream_options"] and data["stream_options"]["include_usage"]),
            logprobs=self._logprobs(data) is not None,
            **self._kept_for_later(data),
        )

    def _sampling(self, data: dict[str, Any]) -> wire.Sampling:
        same_name = {name: data[name] for name in wire.Sampling.__struct_fields__ if name in data}
        same_name.update(
            logprobs=self._logprobs(data),
            max_tokens=self._max_tokens(data),
            stop_on_repetition=data["enable_repeat_stopper"],
        )
        return wire.Sampling(**same_name)

    def _max_tokens(self, data: dict[str, Any]) -> int | None:
        given: int | None = data["max_tokens"]
        return self.default_max_tokens if given is None else given

    def _logprobs(self, data: dict[str, Any]) -> int | None:
        """Alternatives asked for per token, or None."""
        raise NotImplementedError

    def _kept_for_later(self, data: dict[str, Any]) -> dict[str, Any]:
        """What the web tier does itself before the request goes out."""
        return {}

    def _prompt(self, data: dict[str, Any]) -> dict[str, Any]:
        """The prompt's fields of `wire.Generate`."""
        raise NotImplementedError
