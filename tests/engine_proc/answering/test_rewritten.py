"""An answer that is generated again from its start: what its client has already must come again, and is not sent."""

import pytest

from engine_proc.adapter.outputs import Output
from engine_proc.answering.choices import Choice
from engine_proc.answering.live import LiveRequest
from engine_proc.answering.rewritten import Rewritten
from schemas.errors import ApiError

SENT = [5, 6, 7]


def told(*steps: list[int], finish: str | None = None) -> list[int]:
    """Return the tokens that are sent of these steps, the last of which may end the answer."""
    rewritten = Rewritten(Choice(LiveRequest(b"web", 1, "name", "user", 1), 0), SENT)
    outputs = [Output(None, "x" * len(ids), ids, None, None) for ids in steps]
    outputs[-1].finish_reason = finish
    return [token_id for output in outputs for delta in rewritten.receive(output) for token_id in delta.token_ids]


def test_what_follows_is_sent() -> None:
    assert told([5], [6], [7], [8], [9], finish="stop") == [8, 9]


@pytest.mark.parametrize("steps", [([4],), ([5], [9]), ([5, 7],), ([5], [6], [8])], ids=str)
def test_another_answer_is_an_error(steps: tuple[list[int], ...]) -> None:
    with pytest.raises(ApiError) as caught:
        told(*steps)
    assert (caught.value.status, caught.value.code) == (503, "engine_restarted")


@pytest.mark.parametrize("steps", [([5],), ([5], [6]), ([5], [6], [7])], ids=str)
def test_an_answer_that_ends_with_what_was_sent_is_an_error(steps: tuple[list[int], ...]) -> None:
    with pytest.raises(ApiError):
        told(*steps, finish="stop")
