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

from engine_proc.choices import Choice
from engine_proc.live import LiveRequest
from schemas.wire import Delta

if TYPE_CHECKING:
    from vllm.sampling_params import SamplingParams

    from engine_proc.engine import Distribution, Engine, Output, Prepared

Logprobs = npt.NDArray[np.float64]


@dataclass(slots=True)
class BeamRules:
    """What is wanted of a search."""

    width: int
    max_tokens: int
    length_penalty: float
    end_ids: frozenset[int]
    """Tokens that end a beam."""
    has_stop_strings: bool
    vocab_size: int
    step: "SamplingParams"
    """For one step of one beam: one token, with enough log probabilities to choose from."""
    bias: dict[int, float]
    allowed: list[int]
    """Empty: all tokens."""
    repetition_penalty: float
    presence_penalty: float
    frequency_penalty: float

    @property
    def adjusts(self) -> bool:
        """The log probabilities are not the engine's own."""
        neutral = (self.repetition_penalty, self.presence_penalty, self.frequency_penalty) == (1.0, 0.0, 0.0)
        return bool(self.bias or self.allowed or not neutral)

    @property
    def kept(self) -> int:
        """Candidates of a step: enough that `width` of them go on even if all others have ended."""
        return min(self.vocab_size, max(2, 1 + len(self.end_ids)) * self.width)


@dataclass(slots=True)
class Beam:
    """A sequence of generated tokens, its log probability, and the distributions that its tokens came from."""

    token_ids: list[int]
    logprob: float
    rows: list["Distribution"]
    score: float = 0.0
    """Set when it has ended."""

    def grown(self, token_id: int, logprob: float, row: "Distribution") -> "Beam":
        return Beam([*self.token_ids, token_id], logprob, [*self.rows, row])


@dataclass(slots=True)
class _Step:
    """The tag of one step of one beam."""

    request: LiveRequest
    output: "asyncio.Future[Output]" = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def take(self, output: "Output") -> list[Delta]:
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
        self._prompt = prompt
        self._whole = whole
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

    async def _distributions(self, beams: list[Beam]) -> list["Distribution"]:
        steps = []
        prompt_ids = self._prompt["prompt_token_ids"]
        for beam in beams:
            step = _Step(self._choices[0].request)
            prompt = {**self._prompt, "prompt_token_ids": [*prompt_ids, *beam.token_ids]}
            prepared = self._engine.prepare(prompt, self._rules.step)
            self._keys.append(await self._engine.submit(step, prepared, raw=True))
            steps.append(step)
        outputs = [await step.output for step in steps]
        self._keys.clear()
        self._generated += len(outputs)
        if self._prompt_scores is None:
            self._prompt_scores = outputs[0].prompt_scores
        return [output.distribution for output in outputs if output.distribution is not None]

    def _select(self, beams: list[Beam], rows: list["Distribution"], *, last: bool) -> tuple[list[Beam], list[Beam]]:
        """The step's best candidates: those that have ended, of the first `width`, and those that go on."""
        scored = [self._candidates(beam, row) for beam, row in zip(beams, rows, strict=True)]
        owner = np.repeat(np.arange(len(beams)), [len(ids) for ids, _ in scored])
        token_ids = np.concatenate([ids for ids, _ in scored])
        logprobs = np.concatenate([total for _, total in scored])
        order = np.argsort(-logprobs, kind="stable")[: self._rules.kept]
        ended: list[Beam] = []
        running: list[Beam] = []
        for rank, index in enumerate(order.tolist()):
            beam, token_id = owner[index], int(token_ids[index])
            candidate = beams[beam].grown(token_id, float(logprobs[index]), rows[beam])
            if not (last or self._has_ended(candidate)):
                running.append(candidate)
            elif rank < self._rules.width:
                ended.append(candidate)
        return ended, running[: self._rules.width]

    def _candidates(self, beam: Beam, row: "Distribution") -> tuple[npt.NDArray[np.int32], Logprobs]:
        token_ids, logprobs = row[0][1:], row[1][1:].astype(np.float64)  # the first is the sampled token, again
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
            seen = np.unique([*self._prompt["prompt_token_ids"], *beam.token_ids])
            by_id[seen] *= rules.repetition_penalty  # log probabilities are negative
        generated, times = np.unique(np.array(beam.token_ids, dtype=np.int64), return_counts=True)
        by_id[generated] -= rules.presence_penalty + rules.frequency_penalty * times
        for token_id, bias in rules.bias.items():
            by_id[token_id] += bias
        allowed = np.array(rules.allowed or token_ids, dtype=np.int32)
        best = allowed[np.argsort(-by_id[allowed], kind="stable")[: rules.kept]]
        best = best[by_id[best] > -np.inf]
        return best, by_id[best]

    def _has_ended(self, beam: Beam) -> bool:
        if beam.token_ids[-1] in self._rules.end_ids:
            return True
        return self._rules.has_stop_strings and self._output(beam, last=False).finish_reason == "stop"

    def _keep(self, ended: list[Beam]) -> None:
        for beam in ended:
            beam.score = beam.logprob / len(beam.token_ids) ** self._rules.length_penalty
        self._finished = sorted(self._finished + ended, key=lambda beam: -beam.score)[: self._rules.width]

    def _can_improve(self, best_running: Beam, length: int) -> bool:
        if len(self._finished) < self._rules.width:
            return True
        return bool(best_running.logprob / length**self._rules.length_penalty > self._finished[-1].score)

    def _output(self, beam: Beam, *, last: bool) -> "Output":
        """`beam` as the adapter would have reported it; without `last`, as one that may go on."""
        end = beam.token_ids[-1]
        reason = "stop" if end in self._rules.end_ids else "length" if last else None
        return self._engine.retell(
            self._whole, beam.token_ids, beam.rows, reason, end if reason == "stop" else None, self._prompt_scores
        )

    def _deltas(self) -> list[Delta]:
        # A white list may leave fewer sequences than choices: then the last repeats.
        winners = [self._finished[min(index, len(self._finished) - 1)] for index in range(len(self._choices))]
        discarded = max(0, self._generated - sum(len(beam.token_ids) for beam in winners))
        deltas: list[Delta] = []
        for choice, beam in zip(self._choices, winners, strict=True):
            deltas.append(choice.delta(self._output(beam, last=True), discarded if not deltas else 0))
        return deltas
