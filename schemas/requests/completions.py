"""`POST /v1/completions`: the request body."""

from typing import Any

from marshmallow import ValidationError, fields, validate, validates_schema

from schemas.requests.generation import GenerationSchema
from schemas.requests.parts.json_types import MAX_ALTERNATIVES, REST_OF_CONTEXT, Alternatives, Int, Text, optional
from schemas.requests.parts.token_ids import token_ids

MAX_PROMPTS = 2048


class Prompt(fields.Field[list[str | list[int]]]):
    """A string, a list of strings, a list of token ids, or a list of those; loaded as a list of prompts."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> list[str | list[int]]:
        if isinstance(value, str):
            return [value]
        if not isinstance(value, list) or not value:
            raise ValidationError("Expected a string, an array of strings, of token ids, or of arrays of token ids.")
        if type(value[0]) in (int, float):
            return [token_ids(value)]
        if len(value) > MAX_PROMPTS:
            raise ValidationError(f"Expected at most {MAX_PROMPTS} prompts.")
        kind = type(value[0])
        if kind not in (str, list) or any(type(prompt) is not kind for prompt in value):
            raise ValidationError("Expected all prompts to be strings, or all to be arrays of token ids.")
        if kind is str:
            return value
        prompts: list[str | list[int]] = []
        for index, prompt in enumerate(value):
            try:
                prompts.append(token_ids(prompt))
            except ValidationError as error:
                raise ValidationError({index: error.messages}) from None
        return prompts


class CompletionSchema(GenerationSchema):
    """The body of a text completion. Loads a `Request`."""

    default_max_tokens = 16

    prompt = Prompt(
        required=True,
        metadata={
            "description": "A text, token ids, or an array of either. Choices are numbered prompt by prompt: choice "
            "`p * n + i` is the i-th choice of prompt p.",
            "x-range": f"1 to {MAX_PROMPTS} prompts; token ids of the vocabulary",
        },
    )
    suffix = optional(
        Text,
        None,
        "Text that follows the completion: a model that supports it fills the middle; otherwise this is appended.",
        otherwise="none",
    )
    logprobs = optional(
        Alternatives,
        None,
        "Return the log probability of each token and of this many alternatives; -1: of 20.",
        otherwise="none are returned",
        validate=validate.Range(0, MAX_ALTERNATIVES),
    )

    max_tokens = optional(
        Int,
        None,
        "Most tokens of one choice. More than the model's context length is a 400. -1: the rest of the context. 0 "
        "scores the prompt and requires `echo`.",
        otherwise="16",
        validate=validate.Range(REST_OF_CONTEXT, 2**31 - 1),
    )

    @validates_schema
    def _check_max_tokens(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["max_tokens"] == 0 and not data["echo"]:
            raise ValidationError("0 requires `echo`: true.", "max_tokens")
        if data["max_tokens"] == 0 and data["use_beam_search"]:
            raise ValidationError("Must be at least 1 with `use_beam_search`.", "max_tokens")

    def _logprobs(self, data: dict[str, Any]) -> int | None:
        alternatives: int | None = data["logprobs"]
        return alternatives

    def _prompt(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"prompts": data["prompt"], "suffix": data["suffix"] or ""}
