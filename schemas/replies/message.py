"""An answer as a message of a conversation."""

from collections.abc import Sequence
from typing import Any


def assistant_message(text: str, calls: Sequence[dict[str, Any]] = ()) -> dict[str, Any]:
    """What an assistant has said, and the tools that it has called."""
    if not calls:
        return {"role": "assistant", "content": text}
    return {"role": "assistant", "content": text or None, "tool_calls": list(calls)}
