"""Fields of both completions endpoints under vLLM's names and with its meanings: OpenAI has but `response_format`."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from schemas.requests.json_types import Body, Bool, Int, Items, Text, optional
from schemas.requests.structure import ResponseFormatSchema, StructuredOutputsSchema

TOKEN_ID = validate.Range(0, 2**31 - 1)
TEXT = {"type": "text"}


class VllmFields(Body):
    min_tokens = optional(
        Int,
        0,
        "Neither the model's end tokens nor `stop` end a choice before it has so many tokens. Not with "
        "`use_beam_search`.",
        validate=validate.Range(0, 2**31 - 1),
    )
    bad_words = optional(
        Items,
        [],
        "Texts that are not generated: the last token of each is not taken where it would complete one. Not with "
        "`use_beam_search`.",
        Text(validate=validate.Length(1, 1000)),
        validate=validate.Length(max=256),
    )
    allowed_token_ids = optional(
        Items,
        [],
        "The same as `white_list_token_ids`: where both are given, the tokens of both are allowed.",
        Int(validate=TOKEN_ID),
        validate=validate.Length(max=1024),
    )
    prompt_logprobs = optional(
        Int,
        None,
        "Return the log probability of each token of the prompt, and of this many alternatives. Not with `stream`, "
        "nor with `echo` and `logprobs`, which return them among the answer's.",
        otherwise="none are returned",
        validate=validate.Range(0, 20),
    )
    return_token_ids = optional(
        Bool, False, "Return the token ids of the prompt and of each choice (of each chunk, with `stream`)."
    )
    truncate_prompt_tokens = optional(
        Int,
        None,
        "Keep only so many tokens of the prompt, the last ones; -1: as many as leave room for `max_tokens`.",
        otherwise="a prompt that is too long is a 400",
        validate=validate.Range(-1, 2**31 - 1),
    )
    priority = optional(
        Int,
        0,
        "The lower, the earlier. Other than 0 only where the engine runs with `--scheduling-policy priority`.",
        validate=validate.Range(-(2**31), 2**31 - 1),
    )
    cache_salt = optional(
        Text,
        None,
        "Only requests of the same salt, and of the same key, share what vLLM has computed of their prompts.",
        otherwise="as the server is set",
        validate=validate.Length(1, 256),
    )
    response_format = fields.Nested(
        ResponseFormatSchema,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "`json_object`: the text is a JSON object. `json_schema`: one of this schema, whether "
            "`strict` or not. Not with `use_beam_search`.",
            "x-default": "any text",
        },
    )
    structured_outputs = fields.Nested(
        StructuredOutputsSchema,
        load_default=None,
        allow_none=True,
        metadata={
            "description": "What the text must be: exactly one of a JSON Schema, any JSON object, a regular "
            "expression, one of some texts, a grammar. Not with `use_beam_search`.",
            "x-default": "any text",
        },
    )

    @validates_schema
    def _check_together(self, data: dict[str, Any], **kwargs: Any) -> None:
        """In one, for each of these is called for every request."""
        if data["prompt_logprobs"] is not None:
            if data["stream"]:
                raise ValidationError("Not together with `stream`: true.", "prompt_logprobs")
            if data["echo"] and data["logprobs"] not in (None, False):
                raise ValidationError("Not together with `echo` and `logprobs`.", "prompt_logprobs")
        if data["structured_outputs"] is not None and (data["response_format"] or TEXT)["type"] != "text":
            raise ValidationError("Not together with `response_format`.", "structured_outputs")
        if data["truncate_prompt_tokens"] == 0:
            raise ValidationError("0 leaves no prompt.", "truncate_prompt_tokens")
        if data["use_beam_search"]:
            for name in ("min_tokens", "bad_words", "response_format", "structured_outputs"):
                if data[name]:
                    raise ValidationError("Not together with `use_beam_search`.", name)
