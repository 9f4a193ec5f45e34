"""Beam search on top of the adapter: in each step, the engine computes the distribution of every beam's next token.

The search is Transformers' (`generate(num_beams=...)`, early_stopping=False). Of a step's candidates, the best `width`
unfinished ones are extended in the next step. A finished one among the best `width` is kept if its score, log
probability / length**length_penalty, is among the `width` highest. The search stops when the best running beam cannot
beat the worst kept one. Penalties, biases and white lists change the log probabilities, as Transformers' processors do;
nothing is sampled.
"""

import asyncio
import contextlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from engine_proc.adapter.beam_rules import BeamRules
from engine_proc.adapter.outputs import Distribution, Output
from engine_proc.adapter.stop_strings import TextTail
from engine_proc.answering.beam_ranking import Beam, Ranking
from engine_proc.answering.choices import Choice
from engine_proc.answering.live import LiveRequest
from schemas.wire import Delta

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine, Prepared

T = TypeVar("T")
WIDE_BYTES = 1_000_000
"""Size in bytes of a step's log probabilities above which the step counts as wide."""
WIDE_STEPS = 4
"""How many searches may be in a wide step at once: their log probabilities are in memory until they are ranked, and
make vLLM return as many for every other sequence of the batch.
"""
IDS_PER_TURN = 20_000
"""How many token ids of beams are sent to vLLM in one turn of the loop: each beam's prompt is encoded anew."""


class SearchPool:
    """What the searches of an engine share: a thread that ranks their beams, and the places of wide steps."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="beams")
        self._wide = asyncio.Semaphore(WIDE_STEPS)

    async def run(self, work: Callable[[], T]) -> T:
        """Do `work` in the thread, and return its result."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)

    def step(self, size: int) -> contextlib.AbstractAsyncContextManager[Any]:
        """Return the context of a step with `size` bytes of log probabilities. A wide one waits for a place."""
        return self._wide if size > WIDE_BYTES else contextlib.nullcontext()


@dataclass(slots=True)
class _BeamStep:
    """The tag of one step of one beam, whose only output is stored in a future."""

    request: LiveRequest
    output: asyncio.Future[Output] = field(default_factory=lambda: asyncio.get_running_loop().create_future())

    def receive(self, output: Output) -> list[Delta]:
        if not self.output.done():
            self.output.set_result(output)
        return []

    def to_parse(self, output: Output) -> int:
        return 0


class BeamSearch:
    """The search for one prompt's choices."""

    def __init__(
        self,
        engine: "Engine",
        prompt: Any,
        sampled: "Prepared",
        rules: BeamRules,
        choices: list[Choice],
        pool: SearchPool,
        text: TextTail | None = None,
    ) -> None:
        """`sampled` is the sequence as prepared for sampling, and determines how a beam is detokenised.

        `text` is the end of a beam's text before its first token. None: the request has no stop strings. Raises
        `ApiError` (400) if vLLM refuses a step.
        """
        self._engine = engine
        self._prompt = prompt
        self._prompt_ids: list[int] = prompt["prompt_token_ids"]
        self._sampled = sampled
        self._rules = rules
        self._choices = choices
        self._pool = pool
        self._ranking = Ranking(rules, self._prompt_ids)
        self._first = Beam([], 0.0, [], text)
        self._prepared_first = engine.prepare(prompt, rules.step(rules.rows(0), first=True))
        self._prepared: dict[int, Prepared] = {}
        """The sequence of a later step, by its number of rows."""
        self._finished: list[Beam] = []
        self._generated = 0
        self._keys: list[str] = []
        self._prompt_scores: Any = None

    async def run(self) -> list[Delta]:
        """Search to the end, and return the final delta of each choice, the best first. Raises `EngineGone`.

        May be cancelled, which aborts the current step.
        """
        running = [self._first]
        try:
            for length in range(1, self._rules.max_tokens + 1):
                rows = self._rules.rows(length - 1)
                async with self._pool.step(self._rules.bytes(rows)):
                    distributions = await self._distributions(running, rows)
                    last = length == self._rules.max_tokens
                    select = partial(self._ranking.select, running, distributions, last=last)
                    finished, running = await self._pool.run(select)
                    del distributions, select
                self._keep_best(finished)
                if not running or not self._can_improve(running[0], length):
                    break
        finally:
            await self._engine.abort(self._keys)
        return await self._pool.run(self._deltas)

    async def _distributions(self, beams: list[Beam], rows: int) -> list[Distribution]:
        """Return the distribution of the next token of each beam: `rows` log probabilities."""
        prepared = self._sequence(rows)
        steps = [_BeamStep(self._choices[0].request) for _ in beams]
        sent = 0
        for step, beam in zip(steps, beams, strict=True):
            sequence = self._engine.with_prompt(prepared, self._prompt_ids + beam.token_ids)
            self._keys.append(await self._engine.submit(step, sequence, raw=True))
            sent += len(self._prompt_ids) + len(beam.token_ids)
            if sent > IDS_PER_TURN:
                await asyncio.sleep(0)
                sent = 0
        outputs = [await step.output for step in steps]
        self._keys.clear()
        if not self._generated:
            self._prompt_scores = outputs[0].prompt_scores
        self._generated += len(outputs)
        return [output.distribution for output in outputs if output.distribution is not None]

    def _sequence(self, rows: int) -> "Prepared":
        """Return the prepared sequence of a step, for any beam."""
        if not self._generated:
            return self._prepared_first
        if rows not in self._prepared:
            self._prepared[rows] = self._engine.prepare(self._prompt, self._rules.step(rows))
        return self._prepared[rows]

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
        elif self._rules.has_looped is not None and self._rules.has_looped(beam.token_ids):
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
