"""`POST /v1/embeddings`: the request body."""

from typing import Any

from marshmallow import post_load, validate

from schemas import wire
from schemas.requests.completions import MAX_PROMPTS, Prompt
from schemas.requests.generation import Request
from schemas.requests.json_types import Body, Int, Text, optional

FORMATS = ("float", "base64")


class EmbeddingSchema(Body):
    """An embedding's body."""

    model = optional(Text, "", "Any name is served, as in a chat completion.")
    input = Prompt(
        required=True,
        metadata={
            "description": "A text, token ids, or an array of either: one embedding for each.",
            "x-range": f"1 to {MAX_PROMPTS} texts; token ids of the vocabulary",
        },
    )
    encoding_format = optional(
        Text,
        "float",
        "`float`: an array of numbers; `base64`: the bytes of 32-bit floats, little-endian.",
        validate=validate.OneOf(FORMATS, error=f"Expected one of {', '.join(FORMATS)}."),
    )
    dimensions = optional(
        Int,
        None,
        "Keep only so many, for models that were trained for that (400 for others).",
        otherwise="all of them",
        validate=validate.Range(1, 2**31 - 1),
    )
    truncate_prompt_tokens = optional(
        Int,
        None,
        "Keep only so many tokens of each text, the last ones; -1: as many as the context has room for.",
        otherwise="a text that is too long is a 400",
        validate=validate.Range(-1, 2**31 - 1),
    )
    user = optional(Text, "", "Who asks: goes to the server's log, cut after 64 characters.")

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> tuple[Request, bool]:
        """And whether base64 is wanted."""
        self.fill_defaults(data)
        params = wire.GenerateParams(
            prompts=data["input"],
            embed=True,
            dimensions=data["dimensions"],
            truncate_prompt_tokens=data["truncate_prompt_tokens"],
            user=data["user"],
        )
        return Request(params=params, model=data["model"]), data["encoding_format"] == "base64"
