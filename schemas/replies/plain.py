"""The JSON that the plain API answers."""

import time
from typing import Any

from schemas.replies.shape import Shape, encode_json


class PlainShape(Shape):
    """The plain API's: one answer, whole, and the history with this turn."""

    prefix = "plain"
    object = chunk_object = "plain"

    def __init__(self, said: list[str], *args: Any, **kwargs: Any) -> None:
        """`said`: user and answer in turns, up to and with this prompt."""
        super().__init__(*args, **kwargs)
        self._said = said

    def whole(self) -> bytes:
        answer = "".join(self.choices[0].text)
        texts = [*self._said, answer]
        return encode_json(
            {
                "response": answer,
                "history": [texts[turn : turn + 2] for turn in range(0, len(texts), 2)],
                "status": 200,
                "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
        )
