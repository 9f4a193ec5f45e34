"""From a sequence's outputs to the deltas of a choice: what the prompt puts before it, what follows, and who wins.

Each class here is the adapter's tag of a sequence: `receive` turns one `Output` into the deltas it is worth.
"""

from dataclasses import dataclass, field
from typing import Protocol

from engine_proc.adapter.outputs import Output
from engine_proc.answering.live import LiveRequest
from schemas.wire import Delta


class Tag(Protocol):
    """What the server needs of a sequence's tag."""

    @property
    def request(self) -> LiveRequest: ...

    def receive(self, output: Output) -> list[Delta]: ...


@dataclass(slots=True)
class Choice:
    """A sequence whose text is the text of choice `index`."""

    request: LiveRequest
    index: int
    opening: str = ""
    """Text that goes before the first delta: an echo."""
    ending: str = ""
    """Text that goes after the last: a suffix."""
    prompt_only: bool = False
    """The one token that vLLM cannot do without is left out: only the prompt was to be scored."""
    scored_apart: bool = False
    """The log probabilities of the prompt are no part of the answer's."""

    def receive(self, output: Output) -> list[Delta]:
        return [self.delta(output)]

    def delta(self, output: Output, discarded_tokens: int = 0) -> Delta:
        text, token_ids, logprobs = output.text, output.token_ids, output.logprobs
        reason, stop_reason = output.finish_reason, output.stop_reason
        if self.prompt_only:
            text, token_ids, logprobs = "", [], [] if logprobs is not None else None
            reason, stop_reason = "length", None
        if output.prompt_logprobs is not None and not self.scored_apart:
            first = output.prompt_logprobs[0]
            first.silent = first.silent or not self.opening.startswith(first.text)  # put before a text by the tokenizer
            logprobs = [*output.prompt_logprobs, *(logprobs or ())]
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
            prompt_logprobs=output.prompt_logprobs if self.scored_apart else None,
        )


@dataclass(slots=True)
class Embedding:
    """A sequence that is read, not gone on with."""

    request: LiveRequest
    index: int

    def receive(self, output: Output) -> list[Delta]:
        return [Delta(self.request.id, self.index, "", [], "stop", vector=output.vector)]


@dataclass(slots=True)
class Contest:
    """The candidates for the choices of one prompt. The highest mean log probability wins, as OpenAI has `best_of`."""

    choices: list[Choice]
    candidates: int
    with_logprobs: bool
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


def _mean_logprob(output: Output) -> float:
    return (output.cumulative_logprob or 0.0) / max(1, len(output.token_ids))
