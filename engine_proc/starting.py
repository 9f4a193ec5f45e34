"""From a `Generate` to the sequences and searches that answer it, each checked before any is started."""

from dataclasses import dataclass, field

from engine_proc.beam_search import BeamSearch
from engine_proc.choices import Choice, Contest, Tag
from engine_proc.engine import Engine, Prepared
from engine_proc.live import LiveRequest
from engine_proc.rendering import Rendered, Rendering
from engine_proc.sampling import SamplingRules
from schemas.wire import Generate


@dataclass(slots=True)
class Start:
    """What is to be started for one request."""

    prompt_tokens: int = 0
    sequences: list[tuple[Tag, Prepared]] = field(default_factory=list)
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
                Choice(
                    request, number * generate.n + index, prompt.echo, prompt.ending, generate.sampling.max_tokens == 0
                )
                for index in range(generate.n)
            ]
            if generate.sampling.use_beam_search:
                start.searches.append(self._search(generate, prompt, choices))
            else:
                start.sequences += self._sequences(generate, prompt, choices)
        return start

    def _search(self, generate: Generate, prompt: Rendered, choices: list[Choice]) -> BeamSearch:
        rules = self._rules.beam_rules(generate, prompt.tokens)
        whole = self._engine.prepare(prompt.input, self._rules.params(generate, prompt.tokens, 0))
        return BeamSearch(self._engine, prompt.input, whole, rules, choices)

    def _sequences(self, generate: Generate, prompt: Rendered, choices: list[Choice]) -> list[tuple[Tag, Prepared]]:
        contest = None
        if generate.candidates > len(choices):
            contest = Contest(choices, generate.candidates, generate.sampling.logprobs is not None)
        return [
            (contest or choices[index], self._engine.prepare(prompt.input, params))
            for index in range(generate.candidates)
            for params in [self._rules.params(generate, prompt.tokens, index)]
        ]
