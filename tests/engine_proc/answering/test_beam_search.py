"""The search over an engine whose every distribution is written here, against searches that are written plainly."""

import asyncio
import itertools
import math
from collections.abc import Callable
from typing import Any, cast

import pytest

from engine_proc.adapter.beam_rules import BeamRules
from engine_proc.adapter.outputs import Output
from engine_proc.answering.beam_search import WIDE_BYTES, WIDE_STEPS, BeamSearch, SearchPool
from engine_proc.answering.choices import Choice
from engine_proc.answering.live import LiveRequest
from schemas.wire import Delta
from tests.engine_proc.answering.scripted_beams import (
    LARGE,
    LONGEST,
    PROMPT,
    VOCABULARY,
    Adjust,
    Letters,
    Scripted,
    Table,
    after,
    letter,
    plain_search,
    table,
)
from tests.engine_proc.helpers import eventually, on_a_loop


def make_search(engine: Scripted, choices: int = 1, **fields: Any) -> BeamSearch:
    width = fields.pop("width", choices)
    rules = BeamRules(
        **{
            "width": width,
            "max_tokens": 5,
            "length_penalty": 1.0,
            "end_ids": frozenset({0}),
            "has_stop_strings": bool(engine.stops),
            "vocab_size": len(engine.table[0]),
            "alternatives": None,
            "prompt_logprobs": 0,
            "prompt_tokens": len(set(PROMPT)),
            "bias": {},
            "allowed": [],
            "repetition_penalty": 1.0,
            "presence_penalty": 0.0,
            "frequency_penalty": 0.0,
            **fields,
        }
    )
    request = LiveRequest(b"ann", 1, "cmpl-1", "", width)
    answers = [Choice(request, i) for i in range(choices)]
    text: Any = Letters(engine.stops) if engine.stops else None
    whole: Any = None
    return BeamSearch(cast(Any, engine), {"prompt_token_ids": PROMPT}, whole, rules, answers, SearchPool(), text)


def search(engine: Scripted, choices: int = 1, **fields: Any) -> list[Delta]:
    return asyncio.run(make_search(engine, choices, **fields).run())


# ---- against the plain search ------------------------------------------------------------------------------------


CASES = list(itertools.product([1, 2, 3, 5, 8], [0.0, 0.5, 1.0, 2.0, -1.0]))


@pytest.mark.parametrize(("width", "length_penalty"), CASES)
def test_it_finds_what_the_plain_search_finds(width: int, length_penalty: float) -> None:
    for seed in range(8):
        expected = plain_search(table(seed), width=width, max_tokens=7, length_penalty=length_penalty)
        found = search(Scripted(table(seed)), width, max_tokens=7, length_penalty=length_penalty)
        assert [delta.token_ids for delta in found] == expected


def test_wide_enough_it_finds_the_best_of_all_sequences() -> None:
    def score(tokens: tuple[int, ...]) -> float:
        return sum(after(rows, list(tokens[:i]))[token] for i, token in enumerate(tokens)) / len(tokens)

    rows, length = table(1), 3
    ended = [t for n in range(1, length + 1) for t in itertools.product(range(VOCABULARY), repeat=n) if 0 not in t[:-1]]
    whole = [tokens for tokens in ended if len(tokens) == length or tokens[-1] == 0]
    (found,) = search(Scripted(rows), width=VOCABULARY**length, max_tokens=length)
    assert tuple(found.token_ids) == max(whole, key=score)


ADJUSTED: list[tuple[dict[str, Any], Callable[[Table], Adjust]]] = [
    ({"bias": {2: 3.0, 4: -5.0}}, lambda rows: lambda tokens, token: {2: 3.0, 4: -5.0}.get(token, 0.0)),
    ({"allowed": [0, 2, 5]}, lambda rows: lambda tokens, token: 0.0 if token in {0, 2, 5} else -math.inf),
    (
        {"presence_penalty": 0.7, "frequency_penalty": 0.4},
        lambda rows: lambda tokens, token: -0.7 * (token in tokens) - 0.4 * tokens.count(token),
    ),
    (
        {"repetition_penalty": 1.6},
        lambda rows: lambda tokens, token: 0.6 * after(rows, tokens)[token] * (token in PROMPT + tokens),
    ),
]


@pytest.mark.parametrize(("fields", "adjust"), ADJUSTED, ids=[",".join(fields) for fields, _ in ADJUSTED])
def test_penalties_biases_and_white_lists(fields: dict[str, Any], adjust: Callable[[Table], Adjust]) -> None:
    for seed, width in itertools.product(range(6), [1, 3, 4]):
        rows = table(seed)
        found = search(Scripted(rows), width, max_tokens=6, **fields)
        assert [delta.token_ids for delta in found] == plain_search(
            rows, width=width, max_tokens=6, adjust=adjust(rows)
        ), seed


# ---- no more rows than a step needs -------------------------------------------------------------------------------


FEWER: list[tuple[dict[str, Any], bool]] = [
    ({"bias": {2: -3.0, 4: -5.0, 9: -100.0}}, True),
    ({"presence_penalty": 0.7, "frequency_penalty": 0.4}, True),
    ({"presence_penalty": 1.5, "bias": {1: -2.0}}, True),
    ({"repetition_penalty": 1.6}, True),
    ({"repetition_penalty": 1.3, "presence_penalty": 0.5, "bias": {7: -1.0}}, True),
    ({"end_ids": frozenset({0, 5, 11, 17})}, True),
    ({"end_ids": frozenset()}, True),
    ({"bias": {30: 3.0, 4: -5.0}}, False),
    ({"allowed": [0, 2, 5, 50]}, False),
    ({"presence_penalty": -0.7}, False),
    ({"frequency_penalty": -0.2, "presence_penalty": 2.0}, False),
    ({"repetition_penalty": 0.7}, False),
]
"""Settings, and whether a step needs less than the whole vocabulary's log probabilities."""


@pytest.mark.parametrize(("fields", "fewer"), FEWER, ids=[str(fields) for fields, _ in FEWER])
def test_a_search_over_fewer_rows_finds_what_one_over_whole_rows_finds(
    monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any], fewer: bool
) -> None:
    """The rows of a step are as few as make this so: see `BeamRules.rows` for the proof."""
    for seed, width in itertools.product(range(6), [1, 2, 4]):
        rows = table(seed, LARGE)
        engine = Scripted(rows)
        found = search(engine, width, max_tokens=7, **fields)
        assert (max(engine.rows) < LARGE) == fewer
        with monkeypatch.context() as patched:
            patched.setattr(BeamRules, "rows", lambda self, length: LARGE)
            patched.setattr(BeamRules, "per_beam", LARGE)
            whole = Scripted(rows)
            assert search(whole, width, max_tokens=7, **fields) == found
            assert set(whole.rows) == {LARGE}


def test_a_step_has_few_different_numbers_of_rows() -> None:
    rules = make_search(Scripted(table(0, LARGE)), presence_penalty=1.0)._rules
    assert sorted({rules.rows(length) - rules.rows(0) for length in range(1, 17)}) == [1, 2, 4, 8, 16]


@on_a_loop
async def test_few_searches_are_in_a_wide_step_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(BeamRules, "bytes", lambda self, rows: WIDE_BYTES + 1)
    engine, pool = Scripted(table(6), answers=False), SearchPool()
    searches = [make_search(engine) for _ in range(WIDE_STEPS + 3)]
    for one in searches:
        one._pool = pool
    tasks = [asyncio.create_task(one.run()) for one in searches]
    await eventually(lambda: len(engine.submitted) == WIDE_STEPS, "as many first steps are submitted")
    await asyncio.sleep(0.02)
    assert len(engine.submitted) == WIDE_STEPS
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert pool._wide._value == WIDE_STEPS


# ---- endings ----------------------------------------------------------------------------------------------------


def test_a_stop_string_ends_a_beam() -> None:
    def ends(tokens: list[int]) -> bool:
        return tokens[-1] == 0 or "bc" in "".join(map(letter, tokens))

    for seed in range(8):
        found = search(Scripted(table(seed), stops=("bc",)), 3)
        assert [delta.token_ids for delta in found] == plain_search(table(seed), width=3, ends=ends)


def test_no_end_token_means_that_all_beams_have_the_whole_length() -> None:
    found = search(Scripted(table(3)), 4, end_ids=frozenset())
    assert [(len(delta.token_ids), delta.finish_reason) for delta in found] == [(5, "length")] * 4


def test_an_end_token_is_the_reason() -> None:
    certain: Table = [[[math.log(0.99)] + [math.log(0.01 / 6)] * 6] * VOCABULARY] * LONGEST
    (found,) = search(Scripted(certain), width=2)
    assert (found.token_ids, found.finish_reason, found.stop_reason) == ([0], "stop", 0)


def test_where_there_are_fewer_sequences_than_choices_the_last_repeats() -> None:
    found = search(Scripted(table(0)), 4, allowed=[2, 3], max_tokens=1)
    assert [delta.index for delta in found] == [0, 1, 2, 3]
    assert found[1].token_ids == found[2].token_ids == found[3].token_ids != found[0].token_ids


def test_every_generated_token_is_counted_once() -> None:
    engine = Scripted(table(2))
    found = search(engine, 2, width=5, end_ids=frozenset())
    assert sum(len(delta.token_ids) + delta.discarded_tokens for delta in found) == len(engine.submitted) == 21


# ---- what is told of it -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("wider", [0, 3])
def test_log_probabilities_are_the_engines_own_and_as_many_as_were_wanted(wider: int) -> None:
    rows = table(4)
    (found,) = search(Scripted(rows, wider=wider), width=2, alternatives=1, bias={5: 2.0})
    assert found.logprobs is not None
    assert [entry.id for entry in found.logprobs] == found.token_ids
    for position, entry in enumerate(found.logprobs):
        row = after(rows, found.token_ids[:position])
        best = max(range(VOCABULARY), key=row.__getitem__)
        assert entry.logprob == row[entry.id]
        assert entry.top == ((letter(best), best, row[best]),)


def test_a_neighbour_that_wants_more_changes_nothing() -> None:
    for seed in range(8):
        alone, beside = (search(Scripted(table(seed), wider=wider), 2) for wider in (0, 4))
        assert alone == beside


def test_a_wide_row_is_not_kept() -> None:
    kept: list[Any] = []

    class Keeping(Scripted):
        def report(self, *args: Any) -> Output:
            kept.extend(args[2])
            return super().report(*args)

    search(Keeping(table(4)), width=2, alternatives=1, bias={5: 2.0})
    assert kept and all(len(ids) == len(logprobs) == 2 and ids.base is None for ids, logprobs, _ in kept)


def test_the_prompt_is_scored_once() -> None:
    engine = Scripted(table(5))
    search(engine, width=3)
    assert [scored for _, scored in engine.submitted] == [0] + [None] * (len(engine.submitted) - 1)


# ---- being called off -------------------------------------------------------------------------------------------


@on_a_loop
async def test_a_cancelled_search_aborts_its_steps() -> None:
    engine = Scripted(table(6), answers=False)
    task = asyncio.create_task(make_search(engine).run())
    await eventually(lambda: engine.submitted, "the first step is submitted")
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert engine.aborted == ["key-1"]


def test_a_step_without_a_distribution_fails_the_search() -> None:
    class Failing(Scripted):
        async def submit(self, tag: Any, prepared: Any, *, raw: bool) -> str:
            output = Output(tag, "", [], "error", None)
            asyncio.get_running_loop().call_soon(tag.receive, output)
            return "key"

    with pytest.raises(ValueError):
        search(Failing(table(0)))
