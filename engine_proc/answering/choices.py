"""Turn the outputs of a sequence into deltas of a choice: add the echo and the suffix, and select the best candidates.

An instance of a class here is a sequence's tag in the adapter: the server passes each `Output` to its tag's `receive`.
"""

from dataclasses import dataclass, field
from typing import Protocol

from engine_proc.adapter.outputs import Output
from engine_proc.answering.live import LiveRequest
from schemas.wire import Delta


class Tag(Protocol):
    """The interface of a sequence's tag."""

    @property
    def request(self) -> LiveRequest: ...

    def receive(self, output: Output) -> list[Delta]:
        """Return the deltas to send for `output`; an empty list if there are none yet."""
        ...

    def to_parse(self, output: Output) -> int:
        """Return how many characters `receive` would give to vLLM's parsers in one go, which takes long. 0: none."""
        ...


@dataclass(slots=True)
class Choice:
    """The tag of a sequence whose text is the text of choice `index`."""

    request: LiveRequest
    index: int
    opening: str = ""
    """Text put before that of the first delta: the echo of the prompt."""
    ending: str = ""
    """Text put after that of the last delta: the suffix."""
    prompt_only: bool = False
    """Whether only the prompt is scored (`max_tokens` 0). The one token that vLLM must generate is dropped."""
    scored_apart: bool = False
    """Whether the prompt's log probabilities are sent apart from the answer's, and not before them."""

    def receive(self, output: Output) -> list[Delta]:
        return [self.delta(output)]

    def to_parse(self, output: Output) -> int:
        return 0

    def delta(self, output: Output, discarded_tokens: int = 0) -> Delta:
        """Return the delta for `output`. `discarded_tokens` counts the tokens of discarded candidates."""
        text, token_ids, logprobs = output.text, output.token_ids, output.logprobs
        prompt_logprobs = output.prompt_logprobs
        output.logprobs = output.prompt_logprobs = None  # the delta has them, until it is sent
        reason, stop_reason = output.finish_reason, output.stop_reason
        if self.prompt_only:
            text, token_ids, logprobs = "", [], [] if logprobs is not None else None
            reason, stop_reason = "length", None
        if prompt_logprobs is not None and not self.scored_apart:
            first = prompt_logprobs[0]
            first.silent = first.silent or not self.opening.startswith(first.text)  # added by the tokenizer
            logprobs = [*prompt_logprobs, *(logprobs or ())]
        text, self.opening = self.opening + text, ""
        if reason is not None:
            text += self.ending
        return Delta(
            self.request.id,
            self.index,
            text,
            token_ids,
            reason,
            stop_reason,
            logprobs,
            discarded_tokens,
            cached_tokens=output.cached_tokens,
            prompt_logprobs=prompt_logprobs if self.scored_apart else None,
        )


@dataclass(slots=True)
class Embedding:
    """The tag of an embedding: its one delta holds the vector."""

    request: LiveRequest
    index: int

    def receive(self, output: Output) -> list[Delta]:
        return [Delta(self.request.id, self.index, "", [], "stop", vector=output.vector)]

    def to_parse(self, output: Output) -> int:
        return 0


@dataclass(slots=True)
class Contest:
    """The tag of all candidates for the choices of one prompt. The highest mean log probabilities win, as in OpenAI's
    `best_of`.
    """

    choices: list[Choice]
    candidates: int
    with_logprobs: bool
    """Whether the request asks for log probabilities. vLLM computes them for the comparison in any case."""
    _finished: list[Output] = field(default_factory=list)

    @property
    def request(self) -> LiveRequest:
        return self.choices[0].request

    def receive(self, output: Output) -> list[Delta]:
        self._finished.append(output)
        if len(self._finished) < self.candidates:
            return []
        ranked = sorted(self._finished, key=_mean_logprob, reverse=True)
        discarded = sum(len(loser.token_ids) for loser in ranked[len(self.choices) :])
        deltas = []
        for choice, winner in zip(self.choices, ranked, strict=False):
            if not self.with_logprobs:
                winner.logprobs = None
            deltas.append(choice.delta(winner, discarded if choice is self.choices[0] else 0))
        return deltas

    def to_parse(self, output: Output) -> int:
        if len(self._finished) + 1 < self.candidates:
            return 0
        return sum(self.choices[0].to_parse(finished) for finished in (*self._finished, output))


def _mean_logprob(output: Output) -> float:
    return (output.cumulative_logprob or 0.0) / max(1, len(output.token_ids))
