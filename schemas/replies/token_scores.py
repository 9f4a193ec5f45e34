"""The log probabilities of tokens, in what all endpoints have in common."""

from typing import Any

from schemas.wire import TokenLogprob


def length(entry: TokenLogprob) -> int:
    """Return how many characters of the choice's text this token accounts for."""
    return 0 if entry.silent else len(entry.text)


def own_bytes(entry: TokenLogprob, place: int) -> bytes:
    """Return the bytes of the token (`place` 0) or of an alternative (from 1); empty: they are its text's."""
    return entry.own_bytes[place] if entry.own_bytes else b""


def prompt_scores(entries: list[TokenLogprob]) -> list[dict[str, Any] | None]:
    """Return vLLM's `prompt_logprobs`.

    Item i holds token i of the prompt and its alternatives, keyed by token id; item 0 is None, because the first token
    has no log probability.
    """
    return [None if entry.logprob is None else _by_id(entry) for entry in entries]


def _by_id(entry: TokenLogprob) -> dict[str, Any]:
    scores = {str(entry.id): {"logprob": entry.logprob, "rank": entry.rank, "decoded_token": entry.text}}
    for rank, (text, token_id, logprob) in enumerate(entry.top, start=1):
        scores.setdefault(str(token_id), {"logprob": logprob, "rank": rank, "decoded_token": text})
    return scores
