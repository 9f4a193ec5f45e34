"""The fields that chat and text completions share, each with its type, range, default and documentation.

A field has OpenAI's meaning; a field that OpenAI's API does not have has vLLM's.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from marshmallow import ValidationError, fields, post_load, validate, validates_schema
from msgspec import structs

from schemas import wire
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import (
    REST_OF_CONTEXT,
    Bool,
    Int,
    Items,
    Number,
    Text,
    TokenLimit,
    optional,
)
from schemas.requests.parts.messages import enforce
from schemas.requests.parts.streaming import StreamOptionsSchema, resumable_field
from schemas.requests.parts.structure import structure_of
from schemas.requests.sampling import ControlSchema, nucleus
from schemas.requests.token_fields import NamedTokenFields
from schemas.requests.vllm_fields import TOKEN_ID, VllmFields
from schemas.shared.limits import MAX_CHOICES

MAX_STOPS = 64
MAX_USER_CHARS = 64
MAX_STOP_CHARS = 1000  # text is withheld while it may be the beginning of a stop string, so these must be short


@dataclass(slots=True)
class Request:
    """A valid request: what the client wants generated, and what the web tier needs to shape the reply."""

    params: wire.GenerateParams
    model: str | None
    """None: this API has no model to name."""
    include_usage: bool = False
    continuous_usage: bool = False
    logprobs: bool = False
    return_token_ids: bool = False
    force_prompt: str | None = None
    """An instruction to add to the messages when they are complete: see `with_messages`."""
    conversation_id: str | None = None
    stream_interval: int = 1
    """Tokens of a choice that a stream sends together."""
    resumable: bool = False
    """Whether a stream outlives its connection."""
    warnings: tuple[str, ...] = ()
    """What of the request was taken, but not as it is written; for the client."""

    def with_messages(self, messages: list[dict[str, Any]]) -> "Request":
        """Return this request over `messages`, the complete conversation, to which `force_prompt` is added."""
        if messages is self.params.messages and not self.force_prompt:
            return self
        return replace(self, params=structs.replace(self.params, messages=enforce(messages, self.force_prompt)))

    def shape_options(self) -> dict[str, Any]:
        """Return the arguments of `replies.Shape` that depend on the request."""
        return {
            "with_logprobs": self.logprobs,
            "include_usage": self.include_usage,
            "n": self.params.n,
            "continuous_usage": self.continuous_usage,
            "with_token_ids": self.return_token_ids,
            "warnings": self.warnings,
        }


class GenerationSchema(ControlSchema, NamedTokenFields, VllmFields):
    """The fields that `/v1/chat/completions` and `/v1/completions` have in common."""

    default_max_tokens: ClassVar[int | None]

    model = optional(
        Text,
        "",
        "Any name is accepted, including the empty one; the reply names the model that is loaded. "
        "With `HEARTH_STRICT_MODEL=1`, an unknown name is a 404 `model_not_found`.",
    )
    n = optional(
        Int,
        1,
        "How many choices to return for each prompt. A server may have another limit (`HEARTH_MAX_CHOICES`).",
        validate=validate.Range(1, MAX_CHOICES),
    )
    best_of = optional(
        Int,
        None,
        "Generate this many candidates and return the `n` with the highest mean log probability. Values below `n` are "
        "raised to `n`; values above `n` cannot be streamed (400) without `use_beam_search`.",
        otherwise="`n`",
        validate=validate.Range(1, MAX_CHOICES),
    )
    max_tokens = optional(
        TokenLimit,
        None,
        "Most tokens of one choice. More than the model's context length is a 400. -1: the rest of the context.",
        otherwise="the rest of the context",
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
    )
    stop = optional(
        Items,
        [],
        "A text, or up to 64 texts, that end a choice, even when split across tokens or stream chunks. Removed from "
        "the output unless `include_stop_str_in_output`. Empty texts are left out.",
        Text(validate=validate.Length(1, MAX_STOP_CHARS)),
        scalar=True,
        left_out=("", None),
        validate=validate.Length(max=MAX_STOPS),
    )
    stop_token_ids = optional(
        Items,
        [],
        "Token ids that end a choice; ids outside the vocabulary never match. With `min_tokens`, at most 128 together "
        "with the default stops.",
        Int(validate=TOKEN_ID),
        left_out=(None,),
        validate=validate.Length(max=1024),
    )
    stream = optional(Bool, False, "Send the answer as server-sent events, the last of them `data: [DONE]`.")
    stream_options = fields.Nested(
        StreamOptionsSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "Options of a stream: no effect without `stream`.", "x-default": "none"},
    )
    resumable = resumable_field()
    user = optional(Text, "", "Identifies the end user in the server's log, cut to 64 characters.")
    use_beam_search = optional(
        Bool,
        False,
        "Beam search of width max(`best_of`, `n`), at most 16 unless the server says otherwise "
        "(`HEARTH_MAX_BEAM_WIDTH`), instead of sampling: the `n` best by log probability / length ** "
        "`length_penalty`, always the same. `temperature`, `top_p`, `top_k`, `min_p` and `seed` have no effect, and "
        "with `stream` each choice is sent in one piece.",
    )
    length_penalty = optional(
        Number,
        1.0,
        "With `use_beam_search`: higher values favor longer choices.",
        validate=validate.Range(-100, 100),
    )
    skip_special_tokens = optional(Bool, True, "Omit special tokens, such as `<|eot_id|>`, from the text.")
    spaces_between_special_tokens = optional(
        Bool,
        None,
        "With `skip_special_tokens` false: whether to put spaces between special tokens.",
        otherwise="the tokenizer's default",
    )
    include_stop_str_in_output = optional(Bool, False, "Keep the `stop` text that ended a choice in the output.")
    echo = optional(
        Bool,
        False,
        "Begin each choice with the prompt, with `logprobs` including its log probabilities; in a chat, with the last "
        "message if it is the assistant's.",
    )

    def __init__(self, *, max_choices: int = MAX_CHOICES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("n", "best_of"):
            self.fields[name].validators = [validate.Range(1, max_choices)]

    @validates_schema
    def _check_best_of(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["stream"] and not data["use_beam_search"] and (data["best_of"] or 1) > (data["n"] or 1):
            raise ValidationError("`best_of` above `n` cannot be streamed: the best are known at the end.", "best_of")

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> Request:
        self.fill_defaults(data)
        options = data["stream_options"] or {}
        return Request(
            params=wire.GenerateParams(
                n=data["n"],
                best_of=data["best_of"] or 0,
                echo=data["echo"],
                stream=data["stream"],
                user=data["user"][:MAX_USER_CHARS],
                sampling=self._sampling(data),
                cache_salt=data["cache_salt"] or "",
                add_special_tokens=data["add_special_tokens"],
                truncate_prompt_tokens=data["truncate_prompt_tokens"],
                priority=data["priority"],
                return_prompt_token_ids=data["return_token_ids"],
                **self._prompt(data),
            ),
            model=data["model"],
            include_usage=bool(options.get("include_usage")),
            continuous_usage=bool(options.get("include_usage") and options.get("continuous_usage_stats")),
            logprobs=self._logprobs(data) is not None,
            return_token_ids=data["return_token_ids"],
            stream_interval=data["stream_interval"],
            resumable=data["resumable"] and data["stream"],
            warnings=warnings.taken(),
            **self._web_tier_fields(data),
        )

    def _sampling(self, data: dict[str, Any]) -> wire.Sampling:
        same_name = {name: data[name] for name in wire.Sampling.__struct_fields__ if name in data}
        same_name.update(
            logprobs=self._logprobs(data),
            max_tokens=self._max_tokens(data),
            **nucleus(data),
            stop_on_repetition=data["enable_repeat_stopper"],
            structure=structure_of(data["structured_outputs"], data["response_format"]),
        )
        return wire.Sampling(**same_name)

    def _max_tokens(self, data: dict[str, Any]) -> int | None:
        given: int | None = data["max_tokens"]
        if given is None:
            return self.default_max_tokens
        return None if given == REST_OF_CONTEXT else given

    def _logprobs(self, data: dict[str, Any]) -> int | None:
        """Return the requested alternatives per token, or None for no log probabilities."""
        raise NotImplementedError

    def _web_tier_fields(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of `Request` that the web tier itself uses before it sends the request."""
        return {}

    def _prompt(self, data: dict[str, Any]) -> dict[str, Any]:
        """Return the fields of `wire.GenerateParams` that hold the prompt."""
        raise NotImplementedError
