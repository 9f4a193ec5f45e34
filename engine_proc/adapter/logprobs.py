"""vLLM's log probabilities converted to the wire's. vLLM's objects are arguments: nothing of vLLM is imported here."""

from typing import Any

from schemas.wire import TokenLogprob


class TokenTexts:
    """Finds the text of each token of one sequence. The texts, joined, are the text of the sequence.

    vLLM decodes each token alone. It repairs tokens that are part of a character, except where the prompt begins with
    part of a character, or the parts never make up a character.
    """

    def __init__(self, detokenizer: Any) -> None:
        """`detokenizer` is an incremental one of vLLM's, which nothing else uses."""
        self._detokenizer = detokenizer
        self._detokenizer.stop = []

    def skip(self, token_ids: list[int]) -> None:
        """Pass over tokens whose texts another engine has found."""
        self._detokenizer.update(token_ids, False)

    def fill(self, entries: list[TokenLogprob], whole: str | None = None) -> None:
        """Set `text` of each entry.

        `whole` is the text of all entries together, given if no later token can complete a character: the last entry
        gets what is missing.
        """
        for entry in entries:
            before = len(self._detokenizer.output_text)
            self._detokenizer.update([entry.id], False)
            if not entry.silent:
                entry.text = self._detokenizer.output_text[before:]
        if whole is not None and not entries[-1].silent:
            entries[-1].text += whole[len(self._detokenizer.output_text) :]


def narrow(rows: Any, wanted: int | None) -> Any:
    """Return `rows` with at most `wanted` alternatives per token. None: all of them.

    vLLM returns as many for each sequence as the most that any sequence of the batch asked for.
    """
    if rows is None or wanted is None or rows.logprobs.shape[1] <= wanted + 1:
        return rows
    return rows._replace(
        logprob_token_ids=rows.logprob_token_ids[:, : wanted + 1], logprobs=rows.logprobs[:, : wanted + 1]
    )


def entry(position: dict[int, Any], wanted: int | None, silent: frozenset[int]) -> TokenLogprob:
    """Return the log probability of one token, with its `wanted` likeliest alternatives.

    `position` is vLLM's dict of log probabilities by token id: the chosen token first, then the likeliest. `silent` are
    the ids of special tokens that the text leaves out.
    """
    token_id, chosen = next(iter(position.items()))
    ranked = sorted((other for other in position.items() if other[1].rank <= (wanted or 0)), key=_rank)
    top = tuple((other.decoded_token or "", other_id, _finite(other.logprob)) for other_id, other in ranked)
    return TokenLogprob(
        chosen.decoded_token or "", token_id, _finite(chosen.logprob), top, token_id in silent, chosen.rank or 0
    )


def _rank(entry: tuple[int, Any]) -> int:
    rank: int = entry[1].rank
    return rank


def _finite(logprob: float) -> float:
    """Replace minus infinity, which JSON cannot express, by -9999, as vLLM's own server does."""
    return max(logprob, -9999.0)
