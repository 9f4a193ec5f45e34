"""When the deltas of a stream with a `stream_interval` are sent."""

from schemas.wire import Delta
from webapp.engine.pace import MAX_HELD, Pace


def due(pace: Pace, index: int = 0, tokens: int = 1) -> bool:
    """Whether the deltas are sent once this one has come. If so, they are."""
    pace.add(Delta(1, index, "a", [1] * tokens))
    if not pace.due:
        return False
    pace.sent()
    return True


def test_the_first_token_and_every_third_after_it() -> None:
    pace = Pace(3)
    assert [due(pace) for _ in range(7)] == [True, False, False, True, False, False, True]


def test_each_choice_has_a_first_token() -> None:
    pace = Pace(10)
    assert [due(pace, index) for index in (0, 1, 0, 1)] == [True, True, False, False]


def test_a_delta_of_several_tokens_counts_them() -> None:
    pace = Pace(4)
    assert [due(pace), due(pace, tokens=3), due(pace, tokens=3)] == [True, False, True]


def test_no_more_is_held_than_a_reply_has_room_for() -> None:
    pace = Pace(2**31 - 1)
    assert [due(pace) for _ in range(MAX_HELD + 1)] == [True, *[False] * (MAX_HELD - 1), True]
