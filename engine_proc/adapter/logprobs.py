"""What vLLM says of log probabilities, as the wire has it. vLLM's classes come in as arguments (engine.py has them)."""

from typing import Any

from schemas.wire import TokenLogprob


class Pieces:
    """Says of each token which piece of the text it is, so that the pieces, put together, are the text.

    vLLM names a token by what it is alone, and mends what is part of a character: not where the prompt begins with
    one, nor where none comes of the parts.
    """

    def __init__(self, detokenizer: Any) -> None:
        """`detokenizer`: an incremental one of vLLM's, for this purpose alone."""
        self._detokenizer = detokenizer
        self._detokenizer.stop = []

    def skip(self, token_ids: list[int]) -> None:
        """These have been named elsewhere."""
        self._detokenizer.update(token_ids, False)

    def name(self, entries: list[TokenLogprob], whole: str | None = None) -> None:
        """`whole`: the text of them all, where nothing follows that could complete a character."""
        for entry in entries:
            before = len(self._detokenizer.output_text)
            self._detokenizer.update([entry.id], False)
            if not entry.silent:
                entry.text = self._detokenizer.output_text[before:]
        if whole is not None and not entries[-1].silent:
            entries[-1].text += whole[len(self._detokenizer.output_text) :]


def narrow(rows: Any, wanted: int | None) -> Any:
    """Drop what other requests of the batch wanted: vLLM's rows are as wide as the widest wish among them."""
    if rows is None or wanted is None or rows.logprobs.shape[1] <= wanted + 1:
        return rows
    return rows._replace(
        logprob_token_ids=rows.logprob_token_ids[:, : wanted + 1], logprobs=rows.logprobs[:, : wanted + 1]
    )


def entry(position: dict[int, Any], wanted: int | None, silent: frozenset[int]) -> TokenLogprob:
    """One position of vLLM's: a dict with the chosen token first, then the likeliest."""
    token_id, chosen = next(iter(position.items()))
    ranked = sorted((other for other in position.items() if other[1].rank <= (wanted or 0)), key=_rank)
    top = [(other.decoded_token or "", other_id, _finite(other.logprob)) for other_id, other in ranked]
    return TokenLogprob(
        chosen.decoded_token or "", token_id, _finite(chosen.logprob), top, token_id in silent, chosen.rank or 0
    )


def _rank(entry: tuple[int, Any]) -> int:
    rank: int = entry[1].rank
    return rank


def _finite(logprob: float) -> float:
    """JSON has no infinity; vLLM's own server says -9999 too."""
    return max(logprob, -9999.0)
