"""Choose the beams of the next step of a beam search from the distributions of this step's beams.

It computes with rows that may be as long as the vocabulary, so it runs in a thread: numpy lets the loop run meanwhile.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from engine_proc.adapter.beam_rules import BeamRules
from engine_proc.adapter.outputs import Distribution, Row
from engine_proc.adapter.stop_strings import TextTail

Logprobs = npt.NDArray[np.float64]
TokenIds = npt.NDArray[np.int32]


@dataclass(slots=True)
class Beam:
    """A sequence of generated tokens, its log probability, and a row per token for the reply's log probabilities."""

    token_ids: list[int]
    logprob: float
    rows: list[Row]
    """Empty: the reply has no log probabilities."""
    text: TextTail | None = None
    """The end of the beam's text. None: the request has no stop strings."""
    score: float = 0.0
    """Set when the beam has finished."""


class Ranking:
    """Ranks the candidates of a search's steps: each beam with each of its likeliest next tokens."""

    def __init__(self, rules: BeamRules, prompt_token_ids: list[int]) -> None:
        self._rules = rules
        self._end_ids = np.array(sorted(rules.end_ids), dtype=np.int32)
        self._allowed = np.array(rules.allowed, dtype=np.int32)
        self._bias: Logprobs | None = None
        if rules.bias:
            self._bias = np.zeros(rules.vocab_size)
            self._bias[list(rules.bias)] = list(rules.bias.values())
        self._in_prompt: npt.NDArray[np.bool_] | None = None
        if rules.repetition_penalty != 1.0:
            self._in_prompt = np.zeros(rules.vocab_size, dtype=np.bool_)
            self._in_prompt[prompt_token_ids] = True

    def select(self, beams: list[Beam], rows: list[Distribution], *, last: bool) -> tuple[list[Beam], list[Beam]]:
        """Return the step's finished beams among the best `width` candidates, and its best `width` unfinished ones.

        `rows[i]` is the distribution of the next token of `beams[i]`. In the `last` step, all beams finish.
        """
        scored = [self._candidates(beam, row) for beam, row in zip(beams, rows, strict=True)]
        owners = np.repeat(np.arange(len(beams)), [len(ids) for ids, _ in scored])
        token_ids = np.concatenate([ids for ids, _ in scored])
        logprobs = np.concatenate([total for _, total in scored])
        order = self._best(owners, token_ids, logprobs)
        ends = np.isin(token_ids[order], self._end_ids)
        width = self._rules.width
        finished: list[Beam] = []
        running: list[Beam] = []
        for rank, (index, has_ended) in enumerate(zip(order.tolist(), ends.tolist(), strict=True)):
            if rank >= width and (last or len(running) == width):
                break
            if rank >= width and has_ended:
                continue
            owner = owners[index]
            beam, has_stopped = self._extend(beams[owner], int(token_ids[index]), float(logprobs[index]), rows[owner])
            if not (last or has_ended or has_stopped):
                running.append(beam)
            elif rank < width:
                finished.append(beam)
        return finished, running

    def _best(self, owners: npt.NDArray[np.int64], token_ids: TokenIds, logprobs: Logprobs) -> npt.NDArray[np.int64]:
        """Return the indices of the best `kept` candidates, the best first. Equal ones are in a fixed order."""
        kept = self._rules.kept
        best = np.arange(len(logprobs))
        if len(logprobs) > kept:  # sort no more than these, and those that are equal to the last of them
            best = np.flatnonzero(logprobs >= np.partition(logprobs, -kept)[-kept])
        order: npt.NDArray[np.int64] = best[np.lexsort((token_ids[best], owners[best], -logprobs[best]))]
        return order[:kept]

    def _candidates(self, beam: Beam, row: Distribution) -> tuple[TokenIds, Logprobs]:
        """Return the beam's candidate tokens and the log probability of the beam with each."""
        # Entry 0 repeats the sampled token, and a row may have more entries than requested (see `logprobs.narrow`).
        count = self._rules.rows(len(beam.token_ids)) if self._rules.adjusts else self._rules.per_beam
        token_ids, logprobs = row[0][1 : count + 1], row[1][1 : count + 1].astype(np.float64)
        if self._rules.adjusts:
            token_ids, logprobs = self._adjust(beam, token_ids, logprobs)
        return token_ids, beam.logprob + logprobs

    def _adjust(self, beam: Beam, token_ids: TokenIds, logprobs: Logprobs) -> tuple[TokenIds, Logprobs]:
        """Apply penalties, biases and white lists, and return the best `per_beam` candidates."""
        rules = self._rules
        by_id = np.full(rules.vocab_size, -np.inf)  # stays so for tokens that are not in the row
        by_id[token_ids] = logprobs
        generated, times = np.unique(np.array(beam.token_ids, dtype=np.int64), return_counts=True)
        if self._in_prompt is not None:
            seen = self._in_prompt.copy()
            seen[generated] = True
            by_id[seen] *= rules.repetition_penalty  # log probabilities are negative
        by_id[generated] -= rules.presence_penalty + rules.frequency_penalty * times
        if self._bias is not None:
            by_id += self._bias
        possible = self._allowed if len(self._allowed) else token_ids
        kept = min(rules.per_beam, len(possible))
        best = possible[np.argpartition(-by_id[possible], kept - 1)[:kept]]
        best = best[by_id[best] > -np.inf]
        return best, by_id[best]

    def _extend(self, beam: Beam, token_id: int, logprob: float, row: Distribution) -> tuple[Beam, bool]:
        """Return `beam` with one more token, and whether a stop string or a loop ends it.

        `logprob` is that of the whole sequence.
        """
        token_ids, rows, text, stopped = [*beam.token_ids, token_id], beam.rows, beam.text, False
        if self._rules.alternatives is not None:
            rank = int(np.flatnonzero(row[0][1:] == token_id)[0]) + 1
            columns = [rank, *range(1, self._rules.alternatives + 1)]  # copied: a row may be as large as the vocabulary
            rows = [*rows, (row[0][columns], row[1][columns], rank)]
        if text is not None:
            text, stopped = text.extend(token_id)
        looped = self._rules.has_looped is not None and self._rules.has_looped(token_ids)
        return Beam(token_ids, logprob, rows, text), stopped or looped
