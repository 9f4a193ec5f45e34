"""Plan a request: check all sequences and beam searches that answer it, before any of them is started."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine_proc.adapter.calls.parsing import Parsing, Reading
from engine_proc.adapter.engine import Engine, Prepared
from engine_proc.adapter.grammars.mask_trial import MaskTrial
from engine_proc.adapter.prompts.rendering import Rendered, Rendering
from engine_proc.adapter.refusals import client_errors
from engine_proc.adapter.resuming import can_continue
from engine_proc.adapter.sampling import SamplingRules
from engine_proc.adapter.stop_strings import TextTail
from engine_proc.answering.beam_search import BeamSearch, SearchPool
from engine_proc.answering.choices import Choice, Contest, Embedding, Tag
from engine_proc.answering.fair_turns import FairTurns
from engine_proc.answering.live import LiveRequest
from engine_proc.answering.parsed_choice import ParsedChoice
from engine_proc.answering.rewritten import Rewritten
from schemas.errors import ApiError, invalid
from schemas.wire import Delta, Generate

log = logging.getLogger("hearth.starting")

INLINE_BYTES, INLINE_SEQUENCES, INLINE_TEXTS = 4000, 16, 16
"""Messages up to this size, for so many sequences, and with so many texts that name tokens are planned on the loop: a
few milliseconds at most, about what a thread would cost.
"""
INLINE_SENT = 64
"""Most tokens that the client of a request planned on the loop has already: they are detokenised and parsed again."""
INLINE_AT_ONCE = 8
"""Requests that are planned in one turn of the loop: a wave of them must not hold it."""

SLOW_BYTES = 128 * 1024
"""Messages above this size, and all with a structure, are planned in a thread of their own."""


class PlannedSequence(NamedTuple):
    """One sequence to submit. `sent` are the token ids that its client already has; empty: it is not resumed."""

    tag: Tag
    prepared: Prepared
    sent: list[int]


@dataclass(slots=True)
class Plan:
    """What to start for one request."""

    prompt_tokens: int = 0
    prompt_token_ids: list[list[int]] = field(default_factory=list)
    """`ids[prompt][token]`, if the request asks for them; else empty."""
    warnings: list[str] = field(default_factory=list)
    """For the client."""
    sequences: list[PlannedSequence] = field(default_factory=list)
    searches: list[BeamSearch] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)
    """The whole answer, if there is nothing to start."""


class Starter:
    """Plans requests for the loaded model."""

    def __init__(self, engine: Engine, rendering: Rendering, rules: SamplingRules, parsing: Parsing) -> None:
        self._engine = engine
        self._trial = MaskTrial(rules.tokenizer, rules.vocab_size)
        self._parsing = parsing
        self._rendering = rendering
        self._rules = rules
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plan")
        self._slow_pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="plan-slow")
        """For what can take seconds, so that ordinary requests do not wait for it."""
        self._slow_turns = FairTurns(1)
        self._search_pool = SearchPool()
        self._planned = 0
        """Requests planned in this turn of the loop."""

    def warm_up(self) -> None:
        """Make the first plan in the calling thread as quick as the next ones: plan a request, and drop the plan.

        vLLM looks through all installed packages for plugins when it checks its first sequence, for 50 ms.
        """
        self._rendering.warm_up()
        generate = Generate(id=0, name="warm-up", prompts=["a"], embed=self._engine.embeds)
        try:
            self._plan_checked(LiveRequest(b"", 0, generate.name, "", 1), generate)
        except ApiError as error:
            log.warning("the engine could not plan a request to warm up: %s", error)

    async def plan(self, request: LiveRequest, generate: Generate, size: int) -> Plan:
        """Return what to start for a request whose message has `size` bytes.

        A client determines how long planning takes: long texts are tokenised, schemas compiled, replays parsed. So only
        a small request without a structure is planned on the loop, any other in a thread.

        Raises `ApiError` (400) that names the field.
        """
        self._rules.check_beam_width(generate)
        if size <= INLINE_BYTES and _is_light(generate):
            await self._wait_for_turn()
            return self._plan_checked(request, generate)
        loop = asyncio.get_running_loop()
        if size <= SLOW_BYTES and generate.sampling.structure is None:
            return await loop.run_in_executor(self._pool, self._plan_checked, request, generate)
        async with self._slow_turns.turn(generate.tenant):
            return await loop.run_in_executor(self._slow_pool, self._plan_checked, request, generate)

    def _plan_checked(self, request: LiveRequest, generate: Generate) -> Plan:
        """Return what to start. Raises `ApiError` (400) for whatever vLLM refuses."""
        with client_errors():
            return self._plan(request, generate)

    async def _wait_for_turn(self) -> None:
        """Return in a turn of the loop in which another request may be planned."""
        while self._planned >= INLINE_AT_ONCE:
            await asyncio.sleep(0)
        if self._planned == 0:
            asyncio.get_running_loop().call_soon(self._begin_turn)
        self._planned += 1

    def _begin_turn(self) -> None:
        self._planned = 0

    def _plan(self, request: LiveRequest, generate: Generate) -> Plan:
        if generate.tokens_only:
            return self._plan_tokens(generate)
        if generate.embed != self._engine.embeds:
            output = "embeddings, not text" if self._engine.embeds else "text, not embeddings"
            raise invalid(f"This model generates {output}.", "model")
        if generate.embed:
            return self._plan_embeddings(request, generate)
        plan = Plan()
        reading = self._parsing.reading(generate)
        params = self._rules.params(generate, reading)
        if params.structured_outputs is not None:
            self._trial.check(params.structured_outputs, generate.tools, _structure_field(generate))
        plan.warnings = self._rules.warnings(generate.sampling)
        for number, prompt in enumerate(self._rendering.render(generate)):
            plan.prompt_tokens += prompt.tokens
            if generate.return_prompt_token_ids:
                plan.prompt_token_ids.append(prompt.input["prompt_token_ids"])
            choices = [
                _choice(request, index, prompt, generate, reading)
                for index in range(number * generate.n, (number + 1) * generate.n)
            ]
            if all(choice.index in generate.ended for choice in choices):
                continue
            prompt_params = self._rules.for_prompt(params, generate.sampling, prompt.tokens)
            if generate.sampling.use_beam_search:
                plan.searches.append(self._search(generate, choices, prompt, prompt_params))
            else:
                prepared = self._prepare(generate, prompt, prompt_params, reading, request)
                plan.sequences += self._sequences(generate, choices, prepared)
        return plan

    def _plan_tokens(self, generate: Generate) -> Plan:
        (prompt,) = self._rendering.render(generate)
        plan = Plan(prompt.tokens, deltas=[self._rendering.tokens_delta(prompt, generate)])
        if generate.return_prompt_token_ids:
            plan.prompt_token_ids = [prompt.input["prompt_token_ids"]]
        return plan

    def _plan_embeddings(self, request: LiveRequest, generate: Generate) -> Plan:
        plan = Plan()
        for index, prompt in enumerate(self._rendering.render(generate)):
            plan.prompt_tokens += prompt.tokens
            if index not in generate.ended:
                prepared = self._engine.prepare_embedding(prompt.input, generate.dimensions, generate.adapter)
                plan.sequences.append(PlannedSequence(Embedding(request, index), prepared, []))
        return plan

    def _prepare(
        self, generate: Generate, prompt: Rendered, params: Any, reading: Reading | None, request: LiveRequest
    ) -> Prepared:
        """Have vLLM check the sequence of a prompt, once for all of its candidates."""
        if params.structured_outputs is not None:
            request.structure = _structure_field(generate)
            request.limited = bool(params.allowed_token_ids or params.logit_bias)
        try:
            prepared = self._engine.prepare(prompt.input, params, generate.priority, generate.adapter, generate.trace)
        except ApiError as error:
            error.param = error.param or request.structure or None
            raise
        if reading is not None and params.structured_outputs is not None:
            prepared.reasoning_ended = reading.reasoning_ended(prompt.input["prompt_token_ids"])
        return prepared

    def _search(self, generate: Generate, choices: list[Choice], prompt: Rendered, params: Any) -> BeamSearch:
        rules = self._rules.beam_rules(generate, params, prompt.input["prompt_token_ids"])
        sampled = self._engine.prepare(prompt.input, params)
        text = TextTail.after_prompt(self._engine, sampled) if rules.has_stop_strings else None
        return BeamSearch(self._engine, prompt.input, sampled, rules, choices, self._search_pool, text)

    def _sequences(self, generate: Generate, choices: list[Choice], prepared: Prepared) -> list[PlannedSequence]:
        candidate = self._engine.candidate
        if generate.candidates > len(choices):  # the best are known only when all have ended, so nothing is resumed
            contest = Contest(choices, generate.candidates, generate.sampling.logprobs is not None)
            return [PlannedSequence(contest, candidate(prepared, number), []) for number in range(generate.candidates)]
        return [
            self._resume(choice, candidate(prepared, number), generate.sent.get(choice.index, []))
            for number, choice in enumerate(choices)
            if choice.index not in generate.ended
        ]

    def _resume(self, choice: Choice, prepared: Prepared, sent: list[int]) -> PlannedSequence:
        """Plan the sequence of `choice`. If `sent` is not empty, resume it after these tokens, which its client has."""
        if not sent:
            return PlannedSequence(choice, prepared, sent)
        choice.opening = ""
        if not can_continue(prepared.sampling_params, sent):
            return PlannedSequence(Rewritten(choice, sent), prepared, [])
        if isinstance(choice, ParsedChoice):
            for output in self._engine.sequences.replay(prepared, sent):
                choice.receive(output)
        return PlannedSequence(choice, prepared, sent)


def _is_light(generate: Generate) -> bool:
    """Return whether planning takes a few milliseconds, if the message is small."""
    sampling = generate.sampling
    texts = len(sampling.white_list_token) + len(sampling.bad_words) + len(sampling.logit_bias)
    sequences = max(generate.choices, generate.candidates)
    sent = sum(map(len, generate.sent.values()))
    light = texts <= INLINE_TEXTS and sequences <= INLINE_SEQUENCES and sent <= INLINE_SENT
    return light and not generate.structured


def _structure_field(generate: Generate) -> str:
    """Return the field that a structure comes from. A forced call is a structure too."""
    structure = generate.sampling.structure
    return "tools" if structure is None else structure.field


def _choice(request: LiveRequest, index: int, prompt: Rendered, generate: Generate, reading: Reading | None) -> Choice:
    fields: dict[str, Any] = {
        "opening": prompt.echo,
        "ending": prompt.ending,
        "prompt_only": generate.sampling.max_tokens == 0,
        "scored_apart": generate.sampling.prompt_logprobs is not None,
    }
    if reading is None:
        return Choice(request, index, **fields)
    ids = prompt.input["prompt_token_ids"]
    return ParsedChoice(request, index, **fields, reading=reading, prompt_token_ids=ids)
