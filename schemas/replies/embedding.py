"""The JSON of embeddings, as OpenAI defines it."""

import base64
from array import array
from typing import Any, ClassVar

from schemas.replies.blocks import Blocks
from schemas.replies.shape import Shape
from schemas.wire import Delta


class EmbeddingShape(Shape):
    """The reply to an embedding request: one vector for each text, as numbers or as base64 of 32-bit floats."""

    prefix = "embd"
    object = chunk_object = "list"
    engine_names: ClassVar[dict[str, str]] = {"prompt": "input"}

    def __init__(self, in_base64: bool, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._in_base64 = in_base64
        self._vectors: dict[int, Blocks] = {}
        """By text, an object as OpenAI has it: to encode thousands of vectors at once would take long."""

    def add(self, delta: Delta) -> None:
        super().add(delta)
        vector = {"object": "embedding", "index": delta.index, "embedding": self._encoded(delta.vector)}
        self._vectors[delta.index] = block = Blocks()
        block.add([vector])

    def whole_pieces(self) -> list[bytes]:
        data = Blocks()
        for _, block in sorted(self._vectors.items()):
            data.extend(block)
        usage = {"prompt_tokens": self.prompt_tokens, "total_tokens": self.prompt_tokens}
        body = {"id": self.id, "object": "list", "created": self.created, "model": self.model}
        return self.encoded({**body, "data": data, "usage": usage})

    def _encoded(self, vector: bytes) -> Any:
        return base64.b64encode(vector).decode() if self._in_base64 else array("f", vector).tolist()
