"""A delta in parts: small ones, which say together what the whole one says."""

from typing import Any

import msgspec
import pytest

from schemas import wire
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape

MOST = 40


def entries(count: int, first: int = 0) -> list[wire.TokenLogprob]:
    numbers = range(first, first + count)
    return [wire.TokenLogprob(f"{n} ", n, -0.5, (("a", 1, -0.5),) * 4, silent=n % 7 == 0) for n in numbers]


def text(scored: list[wire.TokenLogprob]) -> str:
    return "".join(entry.text for entry in scored if not entry.silent)


SCORED, PROMPT = entries(50), entries(30, first=100)
DELTAS = {
    "an answer": wire.Delta(1, 0, text(SCORED), list(range(50)), "stop", 5, SCORED, 3, cached_tokens=2),
    "its prompt": wire.Delta(1, 0, "a", [1], "length", prompt_logprobs=PROMPT, cached_tokens=2),
    "both": wire.Delta(1, 0, text(SCORED), list(range(50)), "stop", None, SCORED, prompt_logprobs=PROMPT),
    "an echo": wire.Delta(1, 0, text([*PROMPT, *SCORED]), list(range(50)), "stop", None, [*PROMPT, *SCORED]),
    "more text than tokens have": wire.Delta(
        1, 0, text(SCORED) + "and a suffix", list(range(60)), "stop", None, SCORED
    ),
    "less text than tokens have": wire.Delta(1, 0, "0 1 2", list(range(50)), "stop", "3", SCORED),
    "calls": wire.Delta(
        1, 0, "a", list(range(50)), "tool_calls", None, SCORED, 0, "hm", [wire.ToolCall(0, "c", "f", "{}")]
    ),
    "reasoning that is cut off": wire.Delta(
        1, 0, "", list(range(50)), "length", None, SCORED, 0, "hm", reasoning_tokens=50
    ),
}
SHAPES: dict[str, Any] = {
    "chat": lambda **options: ChatShape("m", 1, **options),
    "completion": lambda **options: CompletionShape("m", 1, **options),
    "response": lambda **options: ResponseShape({}, None, "m", 1, **options),
}


def whole(kind: str, deltas: list[wire.Delta]) -> dict[str, Any]:
    shape: Shape = SHAPES[kind](with_logprobs=True, include_usage=False, with_token_ids=True)
    for delta in deltas:
        shape.add(delta)
    body: dict[str, Any] = msgspec.json.decode(
        shape.whole().replace(shape.id.replace("-", "_").partition("_")[2].encode(), b"id")
    )
    return {name: value for name, value in body.items() if name not in ("id", "created", "created_at", "completed_at")}


@pytest.mark.parametrize("delta", DELTAS.values(), ids=DELTAS)
def test_the_parts_are_small_and_all_but_the_last_have_more(delta: wire.Delta) -> None:
    parts = list(wire.split(delta, MOST))
    assert [part.more for part in parts] == [True] * (len(parts) - 1) + [False]
    assert len(parts) >= wire.weight(delta) // MOST
    assert max(map(wire.weight, parts)) <= MOST
    assert [part.finish_reason for part in parts[:-1]] == [None] * (len(parts) - 1)


@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("delta", DELTAS.values(), ids=DELTAS)
def test_the_parts_make_the_same_reply(delta: wire.Delta, kind: str) -> None:
    assert whole(kind, list(wire.split(delta, MOST))) == whole(kind, [delta])


def test_each_part_has_the_text_and_the_tokens_of_its_log_probabilities() -> None:
    for part in wire.split(DELTAS["an answer"], MOST):
        assert part.logprobs is not None
        assert (part.text, part.token_ids) == (text(part.logprobs), [entry.id for entry in part.logprobs])


def test_a_token_of_more_alternatives_than_a_part_may_have_is_a_part() -> None:
    parts = list(wire.split(DELTAS["an answer"], 1))
    assert [len(part.logprobs or ()) for part in parts] == [1] * 50


def test_a_light_delta_stays_as_it_is() -> None:
    light = wire.Delta(1, 0, "a", [1], "stop", logprobs=entries(8))
    assert list(wire.split(light, MOST)) == [light]


def test_a_vector_is_left_alone() -> None:
    embedding = wire.Delta(1, 0, "", [], "stop", vector=b"1234")
    assert list(wire.split(embedding, MOST)) == [embedding]
