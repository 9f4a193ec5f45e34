"""A streamed response repeats its log probabilities in its last four events: they are encoded once."""

import json
from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.replies import response_output
from schemas.replies.blocks import SMALL
from schemas.replies.chat import token_logprobs
from schemas.replies.response import ResponseShape
from schemas.wire import Delta, TokenLogprob

ENTRIES = [TokenLogprob(f"<{n}>", n, -0.5, ((f"<{n}>", n, -0.5),) * 3) for n in range(1000)]
REPEATING = ["output_text.done", "content_part.done", "output_item.done", "completed"]


def logprobs_of(event: dict[str, Any]) -> Any:
    part = event if "logprobs" in event else event.get("part")
    if part is None:
        item = event.get("item") or event["response"]["output"][0]
        part = item["content"][0]
    return part["logprobs"]


def test_log_probabilities_are_encoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    encoded: list[int] = []

    def counted(entries: list[TokenLogprob]) -> list[dict[str, Any]]:
        encoded.append(len(entries))
        return token_logprobs(entries)

    monkeypatch.setattr(response_output, "token_logprobs", counted)
    shape = ResponseShape({}, None, "m", 1, with_logprobs=True, include_usage=False)
    shape.opening_chunks()
    parts = [Delta(1, 0, "text", [n], None, None, ENTRIES[n : n + 100]) for n in range(0, 1000, 100)]
    for delta in parts:
        shape.chunk_pieces(delta)
    last = [*shape.chunk_pieces(Delta(1, 0, "", [], "stop")), *shape.closing_pieces(include_usage=True)]

    assert sum(encoded) == 1000
    events = [json.loads(event.partition("data: ")[2]) for event in b"".join(last).decode().split("\n\n")[:-1]]
    assert [event["type"] for event in events] == [f"response.{name}" for name in REPEATING]
    assert [logprobs_of(event) for event in events] == [token_logprobs(ENTRIES)] * 4
    long = [piece for piece in last if len(piece) >= SMALL]
    assert len({id(piece) for piece in long}) * 4 == len(long), "the events share their bytes"


def test_a_stream_that_fails_has_its_log_probabilities_in_pieces() -> None:
    shape = ResponseShape({}, None, "m", 1, with_logprobs=True, include_usage=False)
    for n in range(0, 1000, 100):
        shape.chunk_pieces(Delta(1, 0, "text", [n], None, None, ENTRIES[n : n + 100]))
    pieces = shape.error_pieces(ApiError(504, "Too late."))

    event = json.loads(b"".join(pieces).decode().partition("data: ")[2])
    assert event["type"] == "response.failed"
    assert event["response"]["output"][0]["content"][0]["logprobs"] == token_logprobs(ENTRIES)
    assert max(map(len, pieces)) < 3 * SMALL
