"""The JSON of embeddings, as OpenAI defines it."""

import base64
from array import array
from typing import Any

from schemas.replies.shape import Shape
from schemas.wire import Delta


class EmbeddingShape(Shape):
    """The reply to an embedding request: one vector for each text, as numbers or as base64 of 32-bit floats."""

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
        return self.encoded({**body, "data": data, "usage": usage})

    def _encoded(self, vector: bytes) -> Any:
        return base64.b64encode(vector).decode() if self._in_base64 else array("f", vector).tolist()
