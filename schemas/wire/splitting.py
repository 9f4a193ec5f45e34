"""Divide a delta with many log probabilities into parts, so that neither side handles all of them in one turn."""

from collections.abc import Iterator

import msgspec

from schemas.wire.to_web import Delta, TokenLogprob

VECTOR_BYTES = 64
"""So many bytes of a vector, 16 numbers, take as long to encode as a log probability."""


def weight(delta: Delta) -> int:
    """Return how many log probabilities the delta holds, those of alternatives included. A vector counts as some."""
    if not (delta.logprobs or delta.prompt_logprobs or delta.vector):
        return 0  # most deltas
    return _weight(delta.logprobs) + _weight(delta.prompt_logprobs) + len(delta.vector) // VECTOR_BYTES


def split(delta: Delta, most: int) -> Iterator[Delta]:
    """Yield `delta` in parts of about `most` log probabilities. All but the last part have `more`.

    Each part has the text and the tokens of its log probabilities. The first part has the reasoning, and the last one
    the tool calls and whatever ends the choice, so the parts say the same as `delta`, in the same order.
    """
    if weight(delta) <= most:
        yield delta
        return
    first = msgspec.structs.replace(
        _EMPTY, id=delta.id, index=delta.index, reasoning=delta.reasoning, cached_tokens=delta.cached_tokens, more=True
    )
    for entries in _pieces(delta.prompt_logprobs or [], most):
        yield msgspec.structs.replace(first, prompt_logprobs=entries)
        first = msgspec.structs.replace(first, reasoning="", cached_tokens=0)
    text, token_ids = delta.text, delta.token_ids
    unnamed = max(0, len(delta.logprobs or ()) - len(token_ids))  # an echo's, which come first
    pieces = _pieces(delta.logprobs or [], most)
    end = pieces.pop() if pieces else delta.logprobs
    for entries in pieces:
        length = sum(len(entry.text) for entry in entries if not entry.silent)
        tokens = max(0, len(entries) - unnamed)
        unnamed = max(0, unnamed - len(entries))
        yield msgspec.structs.replace(first, text=text[:length], token_ids=token_ids[:tokens], logprobs=entries)
        text, token_ids = text[length:], token_ids[tokens:]
        first = msgspec.structs.replace(first, reasoning="", cached_tokens=0)
    yield msgspec.structs.replace(
        delta,
        text=text,
        token_ids=token_ids,
        logprobs=end,
        prompt_logprobs=None,
        reasoning=first.reasoning,
        cached_tokens=first.cached_tokens,
    )


_EMPTY = Delta(0, 0, "", [])


def _weight(entries: list[TokenLogprob] | None) -> int:
    return len(entries) * (1 + len(entries[-1].top)) if entries else 0


def _pieces(entries: list[TokenLogprob], most: int) -> list[list[TokenLogprob]]:
    """Return `entries` in lists of about `most` log probabilities each."""
    if not entries:
        return []
    tokens = max(1, most * len(entries) // _weight(entries))
    return [entries[at : at + tokens] for at in range(0, len(entries), tokens)]
