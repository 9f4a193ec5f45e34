"""Beam search without a model: an engine whose distributions are written down, and the search in its plainest form."""

import asyncio
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from engine_proc.adapter.outputs import Output
from schemas.wire import TokenLogprob

VOCABULARY, LARGE = 7, 60
PROMPT = [3, 1]
LONGEST = 12
Table = list[list[list[float]]]
"""Log probabilities of every next token, by the number of tokens so far and the last of them."""
Adjust = Callable[[list[int], int], float]
"""What is added to the log probability of a token after these generated ones."""


def table(seed: int, vocabulary: int = VOCABULARY) -> Table:
    logits = np.random.default_rng(seed).normal(scale=2.0, size=(LONGEST, vocabulary, vocabulary))
    logprobs: Table = (logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))).astype(np.float32).tolist()
    return logprobs


def after(rows: Table, tokens: list[int]) -> list[float]:
    """The distribution after the prompt and `tokens`."""
    return rows[len(tokens)][(PROMPT + tokens)[-1]]


@dataclass
class Scripted:
    """The adapter's interface, for one-token sequences. Text is one letter per token."""

    table: Table
    wider: int = 0
    """Alternatives beyond those asked for, as a neighbour in the batch causes them."""
    stops: tuple[str, ...] = ()
    answers: bool = True
    submitted: list[tuple[int, Any]] = field(default_factory=list)
    rows: list[int] = field(default_factory=list)
    """How many log probabilities each sequence was to have."""
    aborted: list[str] = field(default_factory=list)

    @property
    def sequences(self) -> "Scripted":
        return self

    def prepare(self, prompt: Any, params: Any) -> tuple[list[int], Any]:
        return prompt["prompt_token_ids"], params

    def with_prompt(self, prepared: tuple[list[int], Any], token_ids: list[int]) -> tuple[list[int], Any]:
        return token_ids, prepared[1]

    async def submit(self, tag: Any, prepared: tuple[list[int], Any], *, raw: bool) -> str:
        token_ids, params = prepared
        assert raw
        self.submitted.append((len(token_ids), params.prompt_logprobs))
        self.rows.append(params.logprobs)
        row = np.array(after(self.table, token_ids[len(PROMPT) :]), dtype=np.float32)
        best = np.argsort(-row)[: params.logprobs + self.wider]
        ids = np.concatenate([best[:1], best]).astype(np.int32)
        output = Output(tag, "", [int(ids[0])], "length", None, distribution=(ids, row[ids]))
        if self.answers:
            asyncio.get_running_loop().call_soon(tag.receive, output)
        return f"key-{len(self.submitted)}"

    async def abort(self, keys: Iterable[str]) -> None:
        self.aborted += keys

    def report(
        self,
        whole: Any,
        token_ids: list[int],
        rows: Any,
        reason: str | None,
        stop_reason: int | None,
        scores: Any = None,
    ) -> Output:
        text = "".join(letter(token_id) for token_id in token_ids)
        if any(stop in text for stop in self.stops):
            reason = "stop"
        output = Output(None, text, token_ids, reason, stop_reason)
        if rows:
            output.logprobs = [told(row) for row in rows]
        return output


@dataclass
class Letters:
    """The end of a beam's text, one letter per token, and the stop strings to find in it."""

    stops: tuple[str, ...]
    text: str = ""

    def extend(self, token_id: int) -> tuple["Letters", bool]:
        text = self.text + letter(token_id)
        return Letters(self.stops, text), any(stop in text for stop in self.stops)


def letter(token_id: int) -> str:
    return chr(ord("a") + token_id)


def told(row: tuple[Any, Any, int]) -> TokenLogprob:
    ids, logprobs, _ = row
    top = tuple((letter(i), int(i), float(p)) for i, p in zip(ids[1:], logprobs[1:], strict=True))
    return TokenLogprob(letter(ids[0]), int(ids[0]), float(logprobs[0]), top)


def plain_search(
    table: Table,
    *,
    width: int,
    max_tokens: int = 5,
    length_penalty: float = 1.0,
    ends: Callable[[list[int]], bool] = lambda tokens: tokens[-1] == 0,
    adjust: Adjust = lambda tokens, token: 0.0,
) -> list[list[int]]:
    """Transformers' search in its plainest form: every candidate of every beam, sorted, by the book."""
    running: list[tuple[float, list[int]]] = [(0.0, [])]
    finished: list[tuple[float, list[int]]] = []
    for length in range(1, max_tokens + 1):
        candidates = sorted(
            (
                (total + logprob + adjust(tokens, token), [*tokens, token])
                for total, tokens in running
                for token, logprob in enumerate(after(table, tokens))
            ),
            key=lambda candidate: -candidate[0],
        )
        candidates = [candidate for candidate in candidates if candidate[0] > -math.inf]
        done = [length == max_tokens or ends(tokens) for _, tokens in candidates]
        finished += [
            (total / length**length_penalty, tokens)
            for (total, tokens), over in zip(candidates[:width], done, strict=False)
            if over
        ]
        finished = sorted(finished, key=lambda beam: -beam[0])[:width]
        running = [candidate for candidate, over in zip(candidates, done, strict=True) if not over][:width]
        if not running or (len(finished) == width and running[0][0] / length**length_penalty <= finished[-1][0]):
            break
    return [tokens for _, tokens in finished]
