"""The JSON of the plain API."""

import time
from typing import Any

from schemas.replies.shape import Shape


class PlainShape(Shape):
    """The reply to the plain API: one answer, never streamed, and the history including this turn."""

    prefix = "plain"
    object = chunk_object = "plain"

    def __init__(self, texts: list[str], *args: Any, **kwargs: Any) -> None:
        """`texts`: prompts and answers alternating, the oldest first, ending with this request's prompt."""
        super().__init__(*args, **kwargs)
        self._texts = texts

    def whole_pieces(self) -> list[bytes]:
        answer = "".join(self.choices[0].text)
        texts = [*self._texts, answer]
        return self.encoded(
            {
                "response": answer,
                "history": [texts[turn : turn + 2] for turn in range(0, len(texts), 2)],
                "status": 200,
                "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
        )
