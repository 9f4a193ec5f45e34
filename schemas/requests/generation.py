"""The fields that chat and text completions share, each with its type, range, default and documentation.

Meanings are OpenAI's, and where OpenAI has none, vLLM's.
"""

from dataclasses import dataclass, replace
from typing import Any, ClassVar

from marshmallow import EXCLUDE, Schema, ValidationError, fields, post_load, validate, validates_schema
from msgspec import structs

from schemas import wire
from schemas.requests.json_types import Body, Bool, Int, Items, LogitBias, Number, Seed, Text, optional
from schemas.requests.messages import enforce
from schemas.requests.structure import structure_of
from schemas.requests.vllm_fields import TOKEN_ID, VllmFields

INT64 = validate.Range(-(2**63), 2**63 - 1)
MAX_CHOICES = 128
MAX_STOPS = 64
MAX_STOP_CHARS = 1000  # text is held back until it can no longer begin a stop string, so one must stay short


class StreamOptionsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    include_usage = optional(Bool, False, "Send one more chunk at the end, with the token counts and no choices.")
    continuous_usage_stats = optional(Bool, False, "Send the token counts so far with every chunk.")


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

    def with_messages(self, messages: list[dict[str, Any]]) -> "Request":
        """Return this request over `messages`, the complete conversation, to which `force_prompt` is added."""
        return replace(self, params=structs.replace(self.params, messages=enforce(messages, self.force_prompt)))

    def shape_options(self) -> dict[str, Any]:
        """What a `replies.Shape` must know of it."""
        return {
            "with_logprobs": self.logprobs,
            "include_usage": self.include_usage,
            "n": self.params.n,
            "continuous_usage": self.continuous_usage,
            "with_token_ids": self.return_token_ids,
        }


class SamplingSchema(Body):
    """What every endpoint that generates takes."""

    temperature = optional(
        Number,
        None,
        "0 always takes the likeliest token; the higher, the more varied.",
        otherwise="the model's own, or 1",
        validate=validate.Range(0, 2),
    )
    top_p = optional(
        Number,
        None,
        "Only the likeliest tokens that together have this probability; 1 is off.",
        otherwise="the model's own, or 1",
        validate=validate.Range(0, 1, min_inclusive=False),
    )


class GenerationSchema(SamplingSchema, VllmFields):
    """The fields that `/v1/chat/completions` and `/v1/completions` have in common."""

    default_max_tokens: ClassVar[int | None]

    model = optional(
        Text,
        "",
        "Any name is served, the empty one too, and the reply names the model that is really loaded. "
        "With `HEARTH_STRICT_MODEL=1`, a name that is not served is a 404 `model_not_found`.",
    )
    top_k = optional(
        Int,
        None,
        "Only this many of the likeliest tokens; -1 or 0 is off.",
        otherwise="the model's own, or off",
        validate=validate.Range(-1, 2**31 - 1),
    )
    min_p = optional(
        Number,
        None,
        "Only tokens that have at least this share of the likeliest token's probability; 0 is off.",
        otherwise="the model's own, or 0",
        validate=validate.Range(0, 1),
    )
    seed = optional(
        Seed,
        None,
        "The same request with the same seed gets the same answer.",
        otherwise="another each time",
        validate=INT64,
    )
    presence_penalty = optional(
        Number,
        0.0,
        "Above 0 discourages tokens that the answer has already; below 0 encourages them.",
        validate=validate.Range(-2, 2),
    )
    frequency_penalty = optional(
        Number,
        0.0,
        "As `presence_penalty`, in proportion to how often the answer has the token.",
        validate=validate.Range(-2, 2),
    )
    repetition_penalty = optional(
        Number,
        None,
        "Above 1 discourages tokens that the prompt or the answer has already; below 1 encourages them.",
        otherwise="the model's own, or 1",
        validate=validate.Range(0, 100, min_inclusive=False),
    )
    n = optional(
        Int,
        1,
        "How many choices to return for each prompt. A server may be set to another limit (`HEARTH_MAX_CHOICES`).",
        validate=validate.Range(1, MAX_CHOICES),
    )
    best_of = optional(
        Int,
        None,
        "Generate this many and return the `n` with the highest mean log probability. Below `n` it is raised to `n`; "
        "above `n` it cannot be streamed (400), but with `use_beam_search`.",
        otherwise="`n`",
        validate=validate.Range(1, MAX_CHOICES),
    )
    max_tokens = optional(
        Int,
        None,
        "Most tokens of one choice. More than the model's whole context is a 400.",
        otherwise="the rest of the context",
        validate=validate.Range(1, 2**31 - 1),
    )
    stop = optional(
        Items,
        [],
        "Text, or up to 64 texts, that end a choice, also where one comes in several tokens or stream chunks. Cut from "
        "the output unless `include_stop_str_in_output`.",
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
    stream = optional(Bool, False, "Send server-sent events as the text comes; the last is `data: [DONE]`.")
    stream_options = fields.Nested(
        StreamOptionsSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": "Allowed with `stream`: true only.", "x-default": "none"},
    )
    logit_bias = optional(
        LogitBias,
        {},
        "From a token to what is added to its logit: -100 bans it, 100 all but forces it. A token is its id in digits "
        "(outside the vocabulary: 400) or text. Text means itself and itself after a space, each that is one token; "
        "where neither is, the first token of each.",
        validate=validate.Length(max=1024),
    )
    white_list_token_ids = optional(
        Items,
        [],
        "Only these tokens, and those of `white_list_token`, may be generated; the end-of-text token, too, only where "
        "it is listed. Ids outside the vocabulary are a 400.",
        Int(validate=TOKEN_ID),
        validate=validate.Length(max=1024),
    )
    white_list_token = optional(
        Items,
        [],
        "As `white_list_token_ids`, given as text. Text means tokens as in `logit_bias`, but where neither form is one "
        "token, all tokens of the text are allowed.",
        Text(validate=validate.Length(1, MAX_STOP_CHARS)),
        validate=validate.Length(max=1024),
    )
    user = optional(Text, "", "Who asks: goes to the server's log, cut after 64 characters.")
    ignore_eos = optional(
        Bool, False, "Go on past the end-of-text token and the default stops, until another limit ends the choice."
    )
    use_beam_search = optional(
        Bool,
        False,
        "Beam search of width max(`best_of`, `n`) instead of sampling: the `n` best by log probability / length ** "
        "`length_penalty`, the same each time. `temperature`, `top_p`, `top_k`, `min_p` and `seed` do nothing then, "
        "and with `stream` each choice comes in one piece.",
    )
    length_penalty = optional(
        Number,
        1.0,
        "With `use_beam_search`: the higher, the longer the choices that win.",
        validate=validate.Range(-100, 100),
    )
    skip_special_tokens = optional(Bool, True, "Leave special tokens, such as `<|eot_id|>`, out of the text.")
    spaces_between_special_tokens = optional(
        Bool,
        None,
        "Where special tokens are shown (`skip_special_tokens` false), put spaces between them, or none.",
        otherwise="as the tokenizer has it",
    )
    include_stop_str_in_output = optional(Bool, False, "Keep the `stop` text that ended a choice in the output.")
    echo = optional(
        Bool,
        False,
        "Begin each choice with the prompt, with `logprobs` its log probabilities too; in a chat, with the last "
        "message where that is the assistant's.",
    )
    enable_repeat_stopper = optional(
        Bool,
        False,
        "End a choice that has fallen into a loop, with `finish_reason` `stop` and `stop_reason` `repetition`.",
    )
    add_default_stop = optional(
        Bool,
        True,
        "Add the server's stops to the request's own: the model's end tokens and those of `HEARTH_DEFAULT_STOPS`. "
        "false: only the tokenizer's own end token and what the request names.",
    )

    def __init__(self, *, max_choices: int = MAX_CHOICES, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for name in ("n", "best_of"):
            self.fields[name].validators = [validate.Range(1, max_choices)]

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
        self.fill_defaults(data)
        options = data["stream_options"] or {}
        return Request(
            params=wire.GenerateParams(
                n=data["n"],
                best_of=data["best_of"] or 0,
                echo=data["echo"],
                stream=data["stream"],
                user=data["user"],
                sampling=self._sampling(data),
                cache_salt=data["cache_salt"] or "",
                truncate_prompt_tokens=data["truncate_prompt_tokens"],
                priority=data["priority"],
                return_prompt_token_ids=data["return_token_ids"],
                **self._prompt(data),
            ),
            model=data["model"],
            include_usage=bool(options.get("include_usage")),
            continuous_usage=bool(options.get("continuous_usage_stats")),
            logprobs=self._logprobs(data) is not None,
            return_token_ids=data["return_token_ids"],
            **self._kept_for_later(data),
        )

    def _sampling(self, data: dict[str, Any]) -> wire.Sampling:
        same_name = {name: data[name] for name in wire.Sampling.__struct_fields__ if name in data}
        same_name.update(
            logprobs=self._logprobs(data),
            max_tokens=self._max_tokens(data),
            stop_on_repetition=data["enable_repeat_stopper"],
            structure=structure_of(data["structured_outputs"], data["response_format"]),
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
        """The prompt's fields of `wire.GenerateParams`."""
        raise NotImplementedError
