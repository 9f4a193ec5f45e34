"""Beam search on top of the adapter: in each step, the engine computes the distribution of every beam's next token.

The search is Transformers' (`generate(num_beams=...)`, early_stopping=False). Of a step's candidates, the best `width`
unfinished ones are extended in the next step. A finished one among the best `width` is kept if its score, log
probability / length**length_penalty, is among the `width` highest. The search stops when the best running beam cannot
beat the worst kept one. Penalties, biases and white lists change the log probabilities, as Transformers' processors do;
nothing is sampled.
"""

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from engine_proc.adapter.beam_rules import BeamRules
from engine_proc.adapter.outputs import Distribution, Output, Row
from engine_proc.answering.choices import Choice
from engine_proc.answering.live import LiveRequest
from schemas.wire import Delta

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine, Prepared

Logprobs = npt.NDArray[np.float64]


@dataclass(slots=True)
class Beam:
    """A sequence of generated tokens, its log probability, and a row per token for the reply's log probabilities."""

    token_ids: list[int]
    logprob: float
    rows: list[Row]
    """Empty: the reply has no log probabilities."""
    score: float = 0.0
    """Set when the beam has finished."""


@dataclass(slots=True)
class _BeamStep:
    """The tag of one step of one beam, whose only output is stored in a future."""

    request: LiveRequest
    output: asyncio.Future[Output] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def receive(self, output: Output) -> list[Delta]:
        if not self.output.done():
            self.output.set_result(output)
        return []


class BeamSearch:
    """The search for one prompt's choices."""

    def __init__(
        self, engine: "Engine", prompt: Any, sampled: "Prepared", rules: BeamRules, choices: list[Choice]
    ) -> None:
        """`sampled` is the sequence as prepared for sampling. It determines how a beam is detokenised."""
        self._engine = engine
        self._prompt_ids: list[int] = prompt["prompt_token_ids"]
        self._sampled = sampled
        self._prepared_first = engine.prepare(prompt, rules.first)
        self._prepared_next = engine.prepare(prompt, rules.step)
        self._rules = rules
        self._choices = choices
        self._finished: list[Beam] = []
        self._generated = 0
        self._keys: list[str] = []
        self._prompt_scores: Any = None

    async def run(self) -> list[Delta]:
        """Search to the end, and return the final delta of each choice, the best first. Raises `EngineGone`.

        May be cancelled, which aborts the current step.
        """
        running = [Beam([], 0.0, [])]
        try:
            for length in range(1, self._rules.max_tokens + 1):
                rows = await self._distributions(running)
                finished, running = self._select(running, rows, last=length == self._rules.max_tokens)
                self._keep_best(finished)
                if not running or not self._can_improve(running[0], length):
                    break
        finally:
            await self._engine.abort(self._keys)
        return self._deltas()

    async def _distributions(self, beams: list[Beam]) -> list[Distribution]:
        """Return the distribution of the next token of each beam."""
        steps = [_BeamStep(self._choices[0].request) for _ in beams]
        prepared = self._prepared_next if self._generated else self._prepared_first
        sequences = [self._engine.with_prompt(prepared, self._prompt_ids + beam.token_ids) for beam in beams]
        for step, sequence in zip(steps, sequences, strict=True):
            self._keys.append(await self._engine.submit(step, sequence, raw=True))
        outputs = [await step.output for step in steps]
        self._keys.clear()
        if not self._generated:
            self._prompt_scores = outputs[0].prompt_scores
        self._generated += len(outputs)
        return [output.distribution for output in outputs if output.distribution is not None]

    def _select(self, beams: list[Beam], rows: list[Distribution], *, last: bool) -> tuple[list[Beam], list[Beam]]:
        """Return the step's finished beams among the best `width` candidates, and its best `width` unfinished ones."""
        scored = [self._candidates(beam, row) for beam, row in zip(beams, rows, strict=True)]
        owner = np.repeat(np.arange(len(beams)), [len(ids) for ids, _ in scored])
        token_ids = np.concatenate([ids for ids, _ in scored])
        logprobs = np.concatenate([total for _, total in scored])
        width = self._rules.width
        finished: list[Beam] = []
        running: list[Beam] = []
        for rank, index in enumerate(np.lexsort((token_ids, owner, -logprobs))[: self._rules.kept].tolist()):
            if rank >= width and (last or len(running) == width):
                break
            beam = owner[index]
            candidate = self._extend(beams[beam], int(token_ids[index]), float(logprobs[index]), rows[beam])
            if not (last or self._is_finished(candidate)):
                running.append(candidate)
            elif rank < width:
                finished.append(candidate)
        return finished, running[:width]

    def _candidates(self, beam: Beam, row: Distribution) -> tuple[npt.NDArray[np.int32], Logprobs]:
        """Return the beam's candidate tokens and the log probability of the beam with each."""
        # Entry 0 repeats the sampled token, and a row may have more entries than requested (see `logprobs.narrow`).
        count = self._rules.vocab_size if self._rules.adjusts else self._rules.per_beam
        token_ids, logprobs = row[0][1 : count + 1], row[1][1 : count + 1].astype(np.float64)
        if self._rules.adjusts:
            token_ids, logprobs = self._adjust(beam, token_ids, logprobs)
        return token_ids, beam.logprob + logprobs

    def _adjust(
        self, beam: Beam, token_ids: npt.NDArray[np.int32], logprobs: Logprobs
    ) -> tuple[npt.NDArray[np.int32], Logprobs]:
        """Apply penalties, biases and white lists, and return the best `per_beam` candidates."""
        rules = self._rules
        by_id = np.full(rules.vocab_size, -np.inf)
        by_id[token_ids] = logprobs
        if rules.repetition_penalty != 1.0:
            seen = np.unique([*self._prompt_ids, *beam.token_ids])
            by_id[seen] *= rules.repetition_penalty  # log probabilities are negative
        generated, times = np.unique(np.array(beam.token_ids, dtype=np.int64), return_counts=True)
        by_id[generated] -= rules.presence_penalty + rules.frequency_penalty * times
        for token_id, bias in rules.bias.items():
            by_id[token_id] += bias
        allowed = np.array(rules.allowed, dtype=np.int32) if rules.allowed else token_ids
        kept = min(rules.per_beam, len(allowed))
        best = allowed[np.argpartition(-by_id[allowed], kept - 1)[:kept]]
        best = best[by_id[best] > -np.inf]
        return best, by_id[best]

    def _extend(self, beam: Beam, token_id: int, logprob: float, row: Distribution) -> Beam:
        """Return `beam` with one more token. `logprob` is that of the whole sequence."""
        if self._rules.alternatives is None:
            return Beam([*beam.token_ids, token_id], logprob, beam.rows)
        rank = int(np.flatnonzero(row[0][1:] == token_id)[0]) + 1
        columns = [rank, *range(1, self._rules.alternatives + 1)]  # copied: a row may be as large as the vocabulary
        return Beam([*beam.token_ids, token_id], logprob, [*beam.rows, (row[0][columns], row[1][columns], rank)])

    def _is_finished(self, beam: Beam) -> bool:
        if beam.token_ids[-1] in self._rules.end_ids or self._rules.has_looped(beam.token_ids):
            return True
        if not self._rules.has_stop_strings:
            return False
        return self._engine.sequences.report(self._sampled, beam.token_ids, [], None, None).finish_reason == "stop"

    def _keep_best(self, finished: list[Beam]) -> None:
        """Score the beams that have just finished, and keep the best `width` of all finished ones."""
        for beam in finished:
            beam.score = beam.logprob / len(beam.token_ids) ** self._rules.length_penalty
        self._finished = sorted(self._finished + finished, key=lambda beam: -beam.score)[: self._rules.width]

    def _can_improve(self, best_running: Beam, length: int) -> bool:
        """Return whether the best running beam may still beat a kept one, or there is room for another."""
        if len(self._finished) < self._rules.width:
            return True
        return bool(best_running.logprob / length**self._rules.length_penalty > self._finished[-1].score)

    def _output(self, beam: Beam) -> Output:
        """Return the output that the adapter would return for a sampled sequence of the same tokens."""
        end = beam.token_ids[-1]
        reason, stop_reason = "length", None
        if end in self._rules.end_ids:
            reason, stop_reason = "stop", end
        elif self._rules.has_looped(beam.token_ids):
            reason = "repetition"
        report = self._engine.sequences.report
        return report(self._sampled, beam.token_ids, beam.rows, reason, stop_reason, self._prompt_scores)

    def _deltas(self) -> list[Delta]:
        # A white list may allow fewer sequences than there are choices: the last one is then repeated.
        winners = [self._finished[min(index, len(self._finished) - 1)] for index in range(len(self._choices))]
        discarded = max(0, self._generated - sum(len(beam.token_ids) for beam in winners))
        deltas: list[Delta] = []
        for choice, beam in zip(self._choices, winners, strict=True):
            deltas.append(choice.delta(self._output(beam), discarded if not deltas else 0))
        return deltas
