"""Fields that chat and text completions have from vLLM, with its names and meanings, and `response_format`."""

from typing import Any

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from schemas.requests.parts.json_types import (
    MAX_ALTERNATIVES,
    Alternatives,
    Body,
    Bool,
    Int,
    Items,
    Text,
    TotalLength,
    optional,
)
from schemas.requests.parts.older_names import rename_guided
from schemas.requests.parts.structure import ResponseFormatSchema, StructuredOutputsSchema, structure_of
from schemas.requests.parts.token_ids import MAX_TOKEN_ID

TOKEN_ID = validate.Range(0, MAX_TOKEN_ID)


class EngineFields(Body):
    """What a request asks of vLLM's scheduler and cache."""

    priority = optional(
        Int,
        0,
        "Requests with a lower value run earlier. Values other than 0 require `--scheduling-policy priority`.",
        validate=validate.Range(-(2**31), 2**31 - 1),
    )
    cache_salt = optional(
        Text,
        None,
        "Only requests with the same salt and of the same API key share prompts in vLLM's prefix cache.",
        otherwise="the server's setting",
        validate=validate.Length(1, 256),
    )


class VllmFields(EngineFields):
    """vLLM's fields. Only `response_format` is OpenAI's too."""

    min_tokens = optional(
        Int,
        0,
        "A choice has at least this many tokens: until then neither end tokens nor `stop` end it. Cannot be combined "
        "with `use_beam_search`.",
        validate=validate.Range(0, 2**31 - 1),
    )
    bad_words = optional(
        Items,
        [],
        "Texts that are not generated: a token that would complete one is never chosen. A text usually counts twice, "
        "as it stands and after a space: at most 128 of these, with at most 1024 tokens in all. Cannot be combined "
        "with `use_beam_search`.",
        Text(validate=validate.Length(1, 1000)),
        left_out=(None,),
        validate=[validate.Length(max=256), TotalLength(64 * 1024)],
    )
    allowed_token_ids = optional(
        Items,
        [],
        "vLLM's name for `white_list_token_ids`. With both, the tokens of both are allowed.",
        Int(validate=TOKEN_ID),
        validate=validate.Length(max=1024),
    )
    prompt_logprobs = optional(
        Alternatives,
        None,
        "Return the log probability of each token of the prompt and of this many alternatives; -1: of 20. Cannot be "
        "combined with `stream`, nor with `echo` and `logprobs`, which return them with the answer's.",
        otherwise="none are returned",
        validate=validate.Range(0, MAX_ALTERNATIVES),
    )
    return_token_ids = optional(
        Bool, False, "Return the token ids of the prompt and of each choice (of each chunk, with `stream`)."
    )
    add_special_tokens = optional(
        Bool,
        None,
        "Add the tokenizer's special tokens, such as `<|begin_of_text|>`, but not a second time at the begin.",
        otherwise="true for a text; false for a chat, where the template adds them",
    )
    truncate_prompt_tokens = optional(
        Int,
        None,
        "Keep only this many tokens of the prompt, the last ones; -1: as many as leave room for `max_tokens`.",
        otherwise="a prompt that is too long is a 400",
        validate=validate.Range(-1, 2**31 - 1),
    )
    stream_interval = optional(
        Int,
        1,
        "With `stream`: how many tokens of a choice are sent together, at most 1024. The first token and the end are "
        "sent at once.",
        validate=validate.Range(1, 2**31 - 1),
    )
    response_format = fields.Nested(
        ResponseFormatSchema,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "`json_object`: the text is a JSON object. `json_schema`: the text is JSON that matches the "
            "schema, `strict` or not. Cannot be combined with `use_beam_search`.",
            "x-default": "any text",
        },
    )
    structured_outputs = fields.Nested(
        StructuredOutputsSchema,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What the text must match: exactly one of a JSON Schema, any JSON object, a regular "
            "expression, a list of texts, a grammar. Cannot be combined with `use_beam_search`. vLLM's older "
            "`guided_json`, `guided_regex`, `guided_choice` and `guided_grammar` are taken for it.",
            "x-default": "any text",
        },
    )

    @pre_load
    def _rename_guided(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        return rename_guided(data)

    @validates_schema
    def _check_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        """Check which fields exclude each other, in one method: every validator costs time in every request."""
        if data["prompt_logprobs"] is not None:
            if data["stream"]:
                raise ValidationError("Cannot be combined with `stream`: true.", "prompt_logprobs")
            if data["echo"] and data["logprobs"] not in (None, False):
                raise ValidationError("Cannot be combined with `echo` and `logprobs`.", "prompt_logprobs")
        if data["structured_outputs"] is not None and structure_of(None, data["response_format"]) is not None:
            raise ValidationError("Cannot be combined with `response_format`.", "structured_outputs")
        if data["truncate_prompt_tokens"] == 0:
            raise ValidationError("Must not be 0: no prompt would be left.", "truncate_prompt_tokens")
        if data["use_beam_search"]:
            for name in ("min_tokens", "bad_words", "response_format", "structured_outputs"):
                if data[name]:
                    raise ValidationError("Cannot be combined with `use_beam_search`.", name)
