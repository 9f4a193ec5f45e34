"""`POST /v1/embeddings`: the request body, and OpenAI's JSON of the reply."""

import base64
from array import array
from typing import Any

from marshmallow import post_load, validate

from schemas import wire
from schemas.completions import MAX_PROMPTS, Prompt
from schemas.fields import Request
from schemas.json_types import Body, Int, Text, optional
from schemas.replies import Shape, encode_json
from schemas.wire import Delta

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
        generate = wire.Generate(
            id=0,
            name="",
            prompts=data["input"],
            embed=True,
            dimensions=data["dimensions"],
            truncate_prompt_tokens=data["truncate_prompt_tokens"],
            user=data["user"],
        )
        return Request(generate=generate, model=data["model"]), data["encoding_format"] == "base64"


class EmbeddingShape(Shape):
    """One vector for each text."""

    prefix = "embd"
    object = chunk_object = "list"

    def __init__(self, in_base64: bool, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_base64 = in_base64
        self._vectors: dict[int, bytes] = {}

    def add(self, delta: Delta) -> None:
        super().add(delta)
        self._vectors[delta.index] = delta.vector

    def whole(self) -> bytes:
        data = [
            {"object": "embedding", "index": index, "embedding": self._encoded(vector)}
            for index, vector in sorted(self._vectors.items())
        ]
        usage = {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}
        body = {"id": self.id, "object": "list", "created": self.created, "model": self.model}
        return encode_json({**body, "data": data, "usage": usage})

    def _encoded(self, vector: bytes) -> Any:
        return base64.b64encode(vector).decode() if self._in_base64 else array("f", vector).tolist()
