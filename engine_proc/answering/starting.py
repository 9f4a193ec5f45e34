"""From a `Generate` to the sequences and searches that answer it, each checked before any is started."""

from dataclasses import dataclass, field
from typing import Any, NamedTuple

from engine_proc.adapter.engine import Engine, Prepared
from engine_proc.adapter.parsing import Parsing, Reading
from engine_proc.adapter.rendering import Rendered, Rendering
from engine_proc.adapter.sampling import SamplingRules
from engine_proc.answering.beam_search import BeamSearch
from engine_proc.answering.choices import Choice, Contest, Embedding, Tag
from engine_proc.answering.live import LiveRequest
from engine_proc.answering.parsed_choice import ParsedChoice
from engine_proc.answering.rewritten import Rewritten
from schemas.errors import ApiError, invalid
from schemas.wire import Delta, Generate


class Beginning(NamedTuple):
    """One sequence, and which tokens of it another engine has sent."""

    tag: Tag
    prepared: Prepared
    sent: list[int]


@dataclass(slots=True)
class Start:
    """What is to be started for one request."""

    prompt_tokens: int = 0
    prompt_token_ids: list[list[int]] = field(default_factory=list)
    """Where they were asked for."""
    sequences: list[Beginning] = field(default_factory=list)
    searches: list[BeamSearch] = field(default_factory=list)
    deltas: list[Delta] = field(default_factory=list)
    """Nothing is to be started: this is the answer."""


class Starter:
    """Knows the loaded model: how prompts are rendered for it, and what sampling means to it."""

    def __init__(self, engine: Engine, rendering: Rendering, rules: SamplingRules, parsing: Parsing) -> None:
        self._engine = engine
        self._parsing = parsing
        self._rendering = rendering
        self._rules = rules

    async def plan(self, request: LiveRequest, generate: Generate) -> Start:
        """Raises `ApiError` (400) naming the field that cannot be had."""
        start = Start()
        if generate.tokens_only:
            return await self._plan_tokens(generate)
        if generate.embed != self._engine.embeds:
            what = "embeddings and no text" if self._engine.embeds else "text and no embeddings"
            raise invalid(f"This model makes {what}.", "model")
        if generate.embed:
            return await self._embed(request, generate)
        reading = self._parsing.reading(generate)
        for number, prompt in enumerate(await self._rendering.render(generate)):
            start.prompt_tokens += prompt.tokens
            if generate.return_prompt_token_ids:
                start.prompt_token_ids.append(prompt.input["prompt_token_ids"])
            choices = [
                _choice(request, index, prompt, generate, reading)
                for index in range(number * generate.n, (number + 1) * generate.n)
            ]
            if all(choice.index in generate.ended for choice in choices):
                continue
            if generate.sampling.use_beam_search:
                start.searches.append(self._search(generate, prompt, choices))
            else:
                start.sequences += self._sequences(generate, prompt, choices, reading)
        return start

    async def _plan_tokens(self, generate: Generate) -> Start:
        (prompt,) = await self._rendering.render(generate)
        start = Start(prompt.tokens, deltas=[self._rendering.tokens_delta(prompt, generate)])
        if generate.return_prompt_token_ids:
            start.prompt_token_ids = [prompt.input["prompt_token_ids"]]
        return start

    async def _embed(self, request: LiveRequest, generate: Generate) -> Start:
        start = Start()
        for index, prompt in enumerate(await self._rendering.render(generate)):
            start.prompt_tokens += prompt.tokens
            if index not in generate.ended:
                prepared = self._engine.prepare_embedding(prompt.input, generate.dimensions, generate.adapter)
                start.sequences.append(Beginning(Embedding(request, index), prepared, []))
        return start

    def _search(self, generate: Generate, prompt: Rendered, choices: list[Choice]) -> BeamSearch:
        rules = self._rules.beam_rules(generate, prompt.tokens)
        whole = self._engine.prepare(prompt.input, self._rules.params(generate, prompt.tokens, 0))
        return BeamSearch(self._engine, prompt.input, whole, rules, choices)

    def _sequences(
        self, generate: Generate, prompt: Rendered, choices: list[Choice], reading: Reading | None
    ) -> list[Beginning]:
        structure = generate.sampling.structure
        held_to = "tools" if structure is None else structure.field  # a call may be forced, too

        def prepare(candidate: int) -> Prepared:
            params = self._rules.params(generate, prompt.tokens, candidate, reading)
            if params.structured_outputs is not None:
                choices[0].request.structure = held_to
            try:
                prepared = self._engine.prepare(
                    prompt.input, params, generate.priority, generate.adapter, generate.trace
                )
            except ApiError as error:
                error.param = error.param or choices[0].request.structure or None
                raise
            if reading is not None and params.structured_outputs is not None:
                prepared.reasoning_ended = reading.reasoning_ended(prompt.input["prompt_token_ids"])
            return prepared

        if generate.candidates > len(choices):  # decided, and so sent, all at once
            contest = Contest(choices, generate.candidates, generate.sampling.logprobs is not None)
            return [Beginning(contest, prepare(candidate), []) for candidate in range(generate.candidates)]
        beginnings = []
        for candidate, choice in enumerate(choices):
            if choice.index not in generate.ended:
                prepared = prepare(candidate)
                beginnings.append(self._go_on(choice, prepared, generate.sent.get(choice.index, [])))
        return beginnings

    def _go_on(self, choice: Choice, prepared: Prepared, sent: list[int]) -> Beginning:
        if not sent:
            return Beginning(choice, prepared, sent)
        choice.opening = ""
        if prepared.sampling_params.structured_outputs is not None:
            return Beginning(Rewritten(choice, sent), prepared, [])
        if isinstance(choice, ParsedChoice):
            for output in self._engine.sequences.replay(prepared, sent):
                choice.receive(output)
        return Beginning(choice, prepared, sent)


def _choice(request: LiveRequest, index: int, prompt: Rendered, generate: Generate, reading: Reading | None) -> Choice:
    how: dict[str, Any] = {
        "opening": prompt.echo,
        "ending": prompt.ending,
        "prompt_only": generate.sampling.max_tokens == 0,
        "scored_apart": generate.sampling.prompt_logprobs is not None,
    }
    if reading is None:
        return Choice(request, index, **how)
    ids = prompt.input["prompt_token_ids"]
    return ParsedChoice(request, index, **how, reading=reading, prompt_token_ids=ids)
