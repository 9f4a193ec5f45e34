"""Beam search over the adapter: each step asks the engine for the next token's distribution after every beam.

The search is Transformers' (`generate(num_beams=...)`, early_stopping=False): of the candidates of a step the best that
have not ended go on, those among the first `width` that have ended are kept by score = log probability /
length**length_penalty, and the search stops when the best running beam could not beat the worst kept one.
Penalties, biases and white lists change the log probabilities, as Transformers' processors do; nothing is sampled.
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
    """A sequence of generated tokens, its log probability, and what the reply tells of each token."""

    token_ids: list[int]
    logprob: float
    rows: list[Row]
    """Empty where the reply tells no log probabilities."""
    score: float = 0.0
    """Set when it has ended."""


@dataclass(slots=True)
class _Step:
    """The tag of one step of one beam."""

    request: LiveRequest
    output: asyncio.Future[Output] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def receive(self, output: Output) -> list[Delta]:
        if not self.output.done():
            self.output.set_result(output)
        return []


class BeamSearch:
    """The search for one prompt's choices."""

    def __init__(
        self, engine: "Engine", prompt: Any, whole: "Prepared", rules: BeamRules, choices: list[Choice]
    ) -> None:
        """`whole` is the request as sampling would have it: it says how the result becomes text."""
        self._engine = engine
        self._prompt_ids: list[int] = prompt["prompt_token_ids"]
        self._whole = whole
        self._first = engine.prepare(prompt, rules.first)
        self._step = engine.prepare(prompt, rules.step)
        self._rules = rules
        self._choices = choices
        self._finished: list[Beam] = []
        self._generated = 0
        self._keys: list[str] = []
        self._prompt_scores: Any = None

    async def run(self) -> list[Delta]:
        """Search to the end and return the choices, best first. Raises `EngineGone`; may be cancelled."""
        running = [Beam([], 0.0, [])]
        try:
            for length in range(1, self._rules.max_tokens + 1):
                rows = await self._distributions(running)
                ended, running = self._select(running, rows, last=length == self._rules.max_tokens)
                self._keep(ended)
                if not running or not self._can_improve(running[0], length):
                    break
        finally:
            await self._engine.abort(self._keys)
        return self._deltas()

    async def _distributions(self, beams: list[Beam]) -> list[Distribution]:
        steps = [_Step(self._choices[0].request) for _ in beams]
        prepared = self._step if self._generated else self._first
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
        """The step's best candidates: those that have ended, of the first `width`, and those that go on."""
        scored = [self._candidates(beam, row) for beam, row in zip(beams, rows, strict=True)]
        owner = np.repeat(np.arange(len(beams)), [len(ids) for ids, _ in scored])
        token_ids = np.concatenate([ids for ids, _ in scored])
        logprobs = np.concatenate([total for _, total in scored])
        width = self._rules.width
        ended: list[Beam] = []
        running: list[Beam] = []
        for rank, index in enumerate(np.lexsort((token_ids, owner, -logprobs))[: self._rules.kept].tolist()):
            if rank >= width and (last or len(running) == width):
                break
            beam = owner[index]
            candidate = self._grown(beams[beam], int(token_ids[index]), float(logprobs[index]), rows[beam])
            if not (last or self._has_ended(candidate)):
                running.append(candidate)
            elif rank < width:
                ended.append(candidate)
        return ended, running[:width]

    def _candidates(self, beam: Beam, row: Distribution) -> tuple[npt.NDArray[np.int32], Logprobs]:
        # The first is the sampled token, again; and a row may be wider than it was asked to be (see `logprobs.narrow`).
        wanted = self._rules.vocab_size if self._rules.adjusts else self._rules.per_beam
        token_ids, logprobs = row[0][1 : wanted + 1], row[1][1 : wanted + 1].astype(np.float64)
        if self._rules.adjusts:
            token_ids, logprobs = self._adjusted(beam, token_ids, logprobs)
        return token_ids, beam.logprob + logprobs

    def _adjusted(
        self, beam: Beam, token_ids: npt.NDArray[np.int32], logprobs: Logprobs
    ) -> tuple[npt.NDArray[np.int32], Logprobs]:
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

    def _grown(self, beam: Beam, token_id: int, logprob: float, row: Distribution) -> Beam:
        if self._rules.alternatives is None:
            return Beam([*beam.token_ids, token_id], logprob, beam.rows)
        rank = int(np.flatnonzero(row[0][1:] == token_id)[0]) + 1
        told = [rank, *range(1, self._rules.alternatives + 1)]  # copied: a row may be as wide as the vocabulary
        return Beam([*beam.token_ids, token_id], logprob, [*beam.rows, (row[0][told], row[1][told], rank)])

    def _has_ended(self, beam: Beam) -> bool:
        if beam.token_ids[-1] in self._rules.end_ids or self._rules.has_looped(beam.token_ids):
            return True
        if not self._rules.has_stop_strings:
            return False
        return self._engine.sequences.report(self._whole, beam.token_ids, [], None, None).finish_reason == "stop"

    def _keep(self, ended: list[Beam]) -> None:
        for beam in ended:
            beam.score = beam.logprob / len(beam.token_ids) ** self._rules.length_penalty
        self._finished = sorted(self._finished + ended, key=lambda beam: -beam.score)[: self._rules.width]

    def _can_improve(self, best_running: Beam, length: int) -> bool:
        if len(self._finished) < self._rules.width:
            return True
        return bool(best_running.logprob / length**self._rules.length_penalty > self._finished[-1].score)

    def _output(self, beam: Beam) -> Output:
        """`beam` as the adapter would have reported it."""
        end = beam.token_ids[-1]
        reason, stop_reason = "length", None
        if end in self._rules.end_ids:
            reason, stop_reason = "stop", end
        elif self._rules.has_looped(beam.token_ids):
            reason = "repetition"
        report = self._engine.sequences.report
        return report(self._whole, beam.token_ids, beam.rows, reason, stop_reason, self._prompt_scores)

    def _deltas(self) -> list[Delta]:
        # A white list may leave fewer sequences than choices: then the last repeats.
        winners = [self._finished[min(index, len(self._finished) - 1)] for index in range(len(self._choices))]
        discarded = max(0, self._generated - sum(len(beam.token_ids) for beam in winners))
        deltas: list[Delta] = []
        for choice, beam in zip(self._choices, winners, strict=True):
            deltas.append(choice.delta(self._output(beam), discarded if not deltas else 0))
        return deltas
