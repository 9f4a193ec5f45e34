"""Stop strings are found where vLLM finds them, and not searched for where they cannot be."""

import random
from typing import Any

import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest, detokenizer

from engine_proc.adapter.sequences import Sequences
from engine_proc.adapter.shortcuts import stop_check
from engine_proc.adapter.shortcuts.stop_check import MOST_ENDS, check_stop_strings

search = stop_check._search
STOPS = 64


def test_it_finds_what_vllm_finds() -> None:
    draw, found = random.Random(1), 0

    def text(most: int) -> str:
        return "".join(draw.choices("ab🔥", k=draw.randint(1, most)))

    for _ in range(20_000):
        output = text(40)
        new = draw.choice([0, 1, 2, 5, MOST_ENDS, MOST_ENDS + 1, len(output), len(output) + 1])
        stop = [text(6) for _ in range(draw.randint(0, 4))]
        include = draw.random() < 0.5
        result = search(output, new, stop, include)
        assert check_stop_strings(output, new, stop, include) == result, (output, new, stop, include)
        found += result is not None
    assert 5_000 < found < 15_000


def test_a_token_that_ends_no_stop_string_costs_no_search(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor does one that ends as all of them do."""
    searched = 0

    def counted(text: str, new: int, stop: list[str], include: bool) -> tuple[str, int] | None:
        nonlocal searched
        searched += len(stop)
        found: tuple[str, int] | None = search(text, new, stop, include)
        return found

    monkeypatch.setattr(detokenizer, "check_stop_strings", search)
    monkeypatch.setattr(stop_check, "_search", counted)
    stops = [f"{number}" + "a" * 990 for number in range(STOPS)]
    params = SamplingParams(stop=stops)
    request = EngineCoreRequest("1", [1], None, params, None, 0.0, None, None, None)
    sequence = Sequences(tokenizer).begin(None, request, stream=True, raw=False)
    assert sequence.detokenizer is not None
    ids = tokenizer.encode("banana, and what " * 9, add_special_tokens=False)
    assert [sequence.detokenizer.update([token_id], False) for token_id in ids] == [None] * len(ids)
    assert searched == 0
    ids = tokenizer.encode("7" + "a" * 990, add_special_tokens=False)
    found = [sequence.detokenizer.update([token_id], False) for token_id in ids]
    assert next(stop for stop in found if stop is not None) == stops[7]
