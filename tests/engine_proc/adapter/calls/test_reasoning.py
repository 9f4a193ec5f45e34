"""How many tokens of an answer count as reasoning, with parsers as vLLM has them."""

from types import SimpleNamespace
from typing import Any

import pytest

from engine_proc.adapter.calls.reasoning import count_reasoning

OPENS, ENDS = 90, 91


class Marked:
    """As vLLM's parsers of `<think>` and `</think>`."""

    def count_reasoning_tokens(self, ids: list[int]) -> int:
        if OPENS not in ids:
            return 0
        end = ids.index(ENDS) if ENDS in ids else len(ids)
        return end - ids.index(OPENS) - 1

    def extract_content_ids(self, ids: list[int]) -> list[int]:
        return ids[ids.index(ENDS) + 1 :] if ENDS in ids else []


class Broken(Marked):
    def count_reasoning_tokens(self, ids: list[int]) -> int:
        raise ValueError("no such token")


def count(ids: list[int], kind: Any = Marked, *, reasoned: bool = True) -> int:
    parser: Any = SimpleNamespace(reasoning_parser=kind and kind())
    return count_reasoning(parser, ids, reasoned=reasoned)


@pytest.mark.parametrize(
    ("ids", "reasoned", "expected"),
    [
        ([OPENS, 1, 2, ENDS, 3], True, 2),
        ([OPENS, 1, 2], True, 2),
        ([1, 2, ENDS, 3], True, 3),  # the template has opened it: its end counts, too
        ([1, 2], True, 2),
        ([1, 2], False, 0),
        ([OPENS, 1, ENDS, 2], False, 1),  # `include_reasoning` is false
        ([], False, 0),
    ],
)
def test_what_counts(ids: list[int], reasoned: bool, expected: int) -> None:
    assert count(ids, reasoned=reasoned) == expected


def test_a_model_without_reasoning_has_none() -> None:
    assert count([OPENS, 1, ENDS], None) == 0


def test_an_answer_does_not_fail_for_a_figure(caplog: pytest.LogCaptureFixture) -> None:
    assert count([1, 2], Broken) == 0
    assert "cannot count" in caplog.text
