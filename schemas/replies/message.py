"""An answer as a message that a later request can repeat."""

from collections.abc import Sequence
from typing import Any


def assistant_message(text: str, calls: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """Return the assistant's message. `content` is None, as in OpenAI's API, where the answer is `calls` alone."""
    if not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": text or None, "tool_calls": list(calls)}
