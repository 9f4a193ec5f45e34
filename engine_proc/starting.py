"""From a `Generate` to the sequences and searches that answer it, each checked before any is started."""

from dataclasses import dataclass, field
from typing import NamedTuple

from engine_proc.beam_search import BeamSearch
from engine_proc.choices import Choice, Contest, Tag
from engine_proc.engine import Engine, Prepared
from engine_proc.live import LiveRequest
from engine_proc.rendering import Rendered, Rendering
from engine_proc.sampling import SamplingRules
from schemas.wire import Generate


class Beginning(NamedTuple):
    """One sequence, and which tokens of it another engine has sent."""

    tag: Tag
    prepared: Prepared
    sent: list[int]


@dataclass(slots=True)
class Start:
    """What is to be started for one request."""

    prompt_tokens: int = 0
    sequences: list[Beginning] = field(default_factory=list)
    searches: list[BeamSearch] = field(default_factory=list)


class Starter:
    """Knows the loaded model: how prompts are rendered for it, and what sampling means to it."""

    def __init__(self, engine: Engine, rendering: Rendering, rules: SamplingRules) -> None:
        self._engine = engine
        self._rendering = rendering
        self._rules = rules

    async def plan(self, request: LiveRequest, generate: Generate) -> Start:
        """Raises `ApiError` (400) naming the field that cannot be had."""
        start = Start()
        for number, prompt in enumerate(await self._rendering.render(generate)):
            start.prompt_tokens += prompt.tokens
            choices = [
                Choice(request, index, prompt.echo, prompt.ending, generate.sampling.max_tokens == 0)
                for index in range(number * generate.n, (number + 1) * generate.n)
            ]
            if all(choice.index in generate.ended for choice in choices):
                continue
            if generate.sampling.use_beam_search:
                start.searches.append(self._search(generate, prompt, choices))
            else:
                start.sequences += self._sequences(generate, prompt, choices)
        return start

    def _search(self, generate: Generate, prompt: Rendered, choices: list[Choice]) -> BeamSearch:
        rules = self._rules.beam_rules(generate, prompt.tokens)
        whole = self._engine.prepare(prompt.input, self._rules.params(generate, prompt.tokens, 0))
        return BeamSearch(self._engine, prompt.input, whole, rules, choices)

    def _sequences(self, generate: Generate, prompt: Rendered, choices: list[Choice]) -> list[Beginning]:
        def prepare(candidate: int) -> Prepared:
            return self._engine.prepare(prompt.input, self._rules.params(generate, prompt.tokens, candidate))

        if generate.candidates > len(choices):  # decided, and so sent, all at once
            contest = Contest(choices, generate.candidates, generate.sampling.logprobs is not None)
            return [Beginning(contest, prepare(candidate), []) for candidate in range(generate.candidates)]
        beginnings = []
        for candidate, choice in enumerate(choices):
            if choice.index not in generate.ended:
                sent = generate.sent.get(choice.index, [])
                if sent:
                    choice.opening = ""
                beginnings.append(Beginning(choice, prepare(candidate), sent))
        return beginnings
