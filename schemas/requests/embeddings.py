"""`POST /v1/embeddings`: the request body."""

from typing import Any

from marshmallow import post_load, validate

from schemas import wire
from schemas.requests.completions import MAX_PROMPTS, Prompt
from schemas.requests.generation import Request
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import Body, Int, Text, optional

FORMATS = ("float", "base64")


class EmbeddingSchema(Body):
    """The body of a request for embeddings. Loads the `Request`, and whether vectors are sent in base64."""

    model = optional(Text, "", "Any name is accepted, as for a chat completion.")
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
        "`float`: an array of numbers; `base64`: little-endian 32-bit floats in base64.",
        validate=validate.OneOf(FORMATS, error=f"Expected one of {', '.join(FORMATS)}."),
    )
    dimensions = optional(
        Int,
        None,
        "Keep only the first dimensions of each vector, for models trained for it (400 for others).",
        otherwise="all dimensions",
        validate=validate.Range(1, 2**31 - 1),
    )
    truncate_prompt_tokens = optional(
        Int,
        None,
        "Keep only this many tokens of each text, the last ones; -1: as many as the context has room for.",
        otherwise="a text that is too long is a 400",
        validate=validate.Range(-1, 2**31 - 1),
    )
    user = optional(Text, "", "Identifies the end user in the server's log, cut to 64 characters.")

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> tuple[Request, bool]:
        """Return the request, and whether the vectors are sent in base64."""
        self.fill_defaults(data)
        params = wire.GenerateParams(
            prompts=data["input"],
            embed=True,
            dimensions=data["dimensions"],
            truncate_prompt_tokens=data["truncate_prompt_tokens"],
            user=data["user"],
        )
        request = Request(params=params, model=data["model"], warnings=warnings.taken())
        return request, data["encoding_format"] == "base64"
