"""What the account of a run calls wrong."""

import pytest

from tests.chaos.batch import BatchAccount, compare
from tests.chaos.client import DONE
from tests.chaos.durable import Seen

EXPECTED = [("q0", "a"), ("q1", "b"), ("q2", "c")]


def account_of(found: list[tuple[str, str]]) -> BatchAccount:
    account = BatchAccount(seed=1, total=3, status="completed", counts={"total": 3, "completed": 3, "failed": 0})
    compare(account, found, EXPECTED)
    return account


def test_a_whole_batch_is_good() -> None:
    assert account_of(EXPECTED).good


@pytest.mark.parametrize(
    ("found", "fault"),
    [
        (EXPECTED[:2], "lost"),
        ([*EXPECTED, EXPECTED[0]], "twice"),
        ([("q0", "x"), *EXPECTED[1:]], "wrong"),
        ([EXPECTED[1], EXPECTED[0], EXPECTED[2]], "wrong"),
    ],
)
def test_a_line_that_is_lost_repeated_wrong_or_out_of_its_place_is_named(
    found: list[tuple[str, str]], fault: str
) -> None:
    account = account_of(found)
    assert getattr(account, fault)
    assert not account.good


@pytest.mark.parametrize("number", [0, 2, None])
def test_an_event_that_is_repeated_or_left_out_or_has_no_number_is_wrong(number: int | None) -> None:
    seen = Seen()
    seen.add(0, {"id": "chatcmpl-0"})
    with pytest.raises(AssertionError, match=f"event {number} follows event 0"):
        seen.add(number, {})
    seen.add(1, DONE)
    assert (seen.ended, seen.id, len(seen.events)) == (True, "chatcmpl-0", 1)
