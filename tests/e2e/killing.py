"""How a request asks the logits processor of `tests.e2e.killer` to kill the engine.

Both the tests and vLLM's worker import this module, so it imports nothing of either.
"""

from typing import Any

KILLER_FLAG = "--logits-processors tests.e2e.killer:Killer"
TOKEN = 5
AT_ONCE, LATE = -91.0, -92.0
"""Biases of token `TOKEN` that mark a request: one that kills with its first token, and one that kills later."""
LATE_TOKENS = 4


def killing_body(mark: float, **fields: Any) -> dict[str, Any]:
    """Return the chat body of a request that kills its engine. `mark` is `AT_ONCE` or `LATE`."""
    messages = [{"role": "user", "content": "Who are you?"}]
    bias = {str(TOKEN): mark}
    return {"messages": messages, "temperature": 0, "logit_bias": bias, "ignore_eos": True, "max_tokens": 50, **fields}
