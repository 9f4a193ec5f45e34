"""OpenAI's JSON, whole and in chunks: whatever the text, every event is one line of valid JSON."""

import json
import re
import time
from typing import Any

import pytest

from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.shape import DONE, Shape
from schemas.wire import Accepted, Delta, TokenLogprob
from tests.schemas.requests.usage import usage

NASTY = 'quo"te \\ \n\r\n\u2028 \x00 字 🔥 data: [DONE]'
both_shapes = pytest.mark.parametrize("kind", [ChatShape, CompletionShape])


def make(kind: type[Shape], choices: int = 1, *, logprobs: bool = False, told: bool = False) -> Shape:
    shape = kind("fake", choices, with_logprobs=logprobs, include_usage=told)
    shape.accept(Accepted(id=1, prompt_tokens=7))
    return shape


def whole(shape: Shape, *deltas: Delta) -> Any:
    for delta in deltas:
        shape.add(delta)
    return json.loads(shape.whole())


def parse(events: bytes) -> list[dict[str, Any]]:
    """Every event must be `data: <one line of JSON>` and an empty line."""
    assert events.endswith(b"\n\n") or not events
    parsed = []
    for event in events.split(b"\n\n")[:-1]:
        assert event.startswith(b"data: ")
        assert b"\n" not in event and b"\r" not in event
        parsed.append(json.loads(event.removeprefix(b"data: ")))
    return parsed


@both_shapes
@pytest.mark.parametrize("part", ["whole", "chunk"])
def test_the_head_is_the_same_for_all_parts_of_a_reply(kind: type[Shape], part: str) -> None:
    shape = make(kind)
    bodies = [whole(shape)] if part == "whole" else parse(shape.chunk(Delta(1, 0, "a", [1], "stop")))
    prefix, object_ = {
        (ChatShape, "whole"): ("chatcmpl", "chat.completion"),
        (ChatShape, "chunk"): ("chatcmpl", "chat.completion.chunk"),
        (CompletionShape, "whole"): ("cmpl", "text_completion"),
        (CompletionShape, "chunk"): ("cmpl", "text_completion"),
    }[kind, part]

    assert bodies
    for body in bodies:
        assert re.fullmatch(prefix + "-[0-9a-f]{32}", body["id"])
        assert body["id"] == shape.id
        assert body["object"] == object_
        assert body["model"] == "fake"
        assert abs(body["created"] - time.time()) < 60
        assert isinstance(body["created"], int)


@both_shapes
def test_no_two_replies_have_one_id(kind: type[Shape]) -> None:
    assert make(kind).id != make(kind).id


def test_a_whole_chat_reply() -> None:
    body = whole(make(ChatShape), Delta(1, 0, "one ", [1]), Delta(1, 0, "two", [2, 3], "stop"))

    assert body.keys() == {"id", "object", "created", "model", "choices", "usage"}
    assert body["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "one two", "refusal": None},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]
    assert body["usage"] == usage(7, 3)


def test_a_whole_text_reply() -> None:
    body = whole(make(CompletionShape), Delta(1, 0, "one two", [1, 2], "length"))

    assert body["choices"] == [{"index": 0, "text": "one two", "logprobs": None, "finish_reason": "length"}]
    assert body["usage"] == usage(7, 2)


@both_shapes
def test_choices_are_in_order_whatever_order_they_end_in(kind: type[Shape]) -> None:
    body = whole(make(kind, 3), Delta(1, 2, "c", [1], "stop"), Delta(1, 0, "a", [1], "length"), Delta(1, 1, "", []))

    assert [choice["index"] for choice in body["choices"]] == [0, 1, 2]
    assert [choice["finish_reason"] for choice in body["choices"]] == ["length", None, "stop"]
    assert body["usage"]["completion_tokens"] == 2


@both_shapes
@pytest.mark.parametrize("reason", ["END", 50256, None], ids=repr)
def test_the_stop_reason_is_told_where_there_is_one(kind: type[Shape], reason: str | int | None) -> None:
    delta = Delta(1, 0, "a", [1], "stop", reason)
    choice = whole(make(kind), delta)["choices"][0]
    last = parse(make(kind).chunk(delta))[-1]["choices"][0]

    for told in (choice, last):
        assert told["finish_reason"] == "stop"
        assert told.get("stop_reason") == reason
        assert ("stop_reason" in told) is (reason is not None)


def test_a_chat_stream_opens_every_choice_with_the_role() -> None:
    chunks = parse(make(ChatShape, 2).opening_chunks())

    assert [chunk["choices"] for chunk in chunks] == [
        [
            {
                "index": index,
                "delta": {"role": "assistant", "content": "", "refusal": None},
                "logprobs": None,
                "finish_reason": None,
            }
        ]
        for index in (0, 1)
    ]


def test_a_text_stream_has_no_opening() -> None:
    assert make(CompletionShape, 2).opening_chunks() == b""


def test_the_chunks_of_a_chat_delta() -> None:
    chunks = parse(make(ChatShape, 2).chunk(Delta(1, 1, "two", [2], "stop")))

    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 1, "delta": {"content": "two"}, "logprobs": None, "finish_reason": None}],
        [{"index": 1, "delta": {}, "logprobs": None, "finish_reason": "stop"}],
    ]


def test_the_chunks_of_a_text_delta() -> None:
    chunks = parse(make(CompletionShape, 2).chunk(Delta(1, 1, "two", [2], "stop")))

    assert [chunk["choices"] for chunk in chunks] == [
        [{"index": 1, "text": "two", "logprobs": None, "finish_reason": None}],
        [{"index": 1, "text": "", "logprobs": None, "finish_reason": "stop"}],
    ]


@both_shapes
def test_a_delta_without_text_sends_nothing_but_is_counted(kind: type[Shape]) -> None:
    shape = make(kind)

    assert shape.chunk(Delta(1, 0, "", [1, 2])) == b""
    assert shape.usage()["completion_tokens"] == 2


@both_shapes
def test_what_was_generated_and_not_chosen_counts_in_the_usage(kind: type[Shape]) -> None:
    delta, streamed = Delta(1, 0, "a", [1, 2], "stop", discarded_tokens=5), make(kind)
    streamed.chunk(delta)

    assert whole(make(kind), delta)["usage"]["completion_tokens"] == 7
    assert streamed.usage()["completion_tokens"] == 7


@both_shapes
def test_an_end_without_text_is_one_chunk(kind: type[Shape]) -> None:
    chunks = parse(make(kind).chunk(Delta(1, 0, "", [], "length")))

    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks] == ["length"]


@both_shapes
def test_any_text_is_valid_json_whole_and_in_chunks(kind: type[Shape]) -> None:
    delta = Delta(1, 0, NASTY, [1], "stop", NASTY)
    choice = whole(make(kind), delta)["choices"][0]
    text, end = parse(make(kind).chunk(delta))

    assert (choice["text"] if kind is CompletionShape else choice["message"]["content"]) == NASTY
    streamed = text["choices"][0]
    assert (streamed["text"] if kind is CompletionShape else streamed["delta"]["content"]) == NASTY
    assert end["choices"][0]["stop_reason"] == NASTY


@both_shapes
def test_a_model_of_any_name_is_valid_json(kind: type[Shape]) -> None:
    shape = kind(NASTY, 1, with_logprobs=False, include_usage=True)
    chunks = parse(shape.opening_chunks() + shape.chunk(Delta(1, 0, "a", [1], "stop")))

    assert {chunk["model"] for chunk in chunks} == {NASTY}
    assert whole(shape)["model"] == NASTY


@both_shapes
def test_the_usage_chunk_has_no_choices(kind: type[Shape]) -> None:
    shape = make(kind, 2, told=True)
    shape.chunk(Delta(1, 0, "a", [1, 2]))
    shape.chunk(Delta(1, 1, "b", [3], "stop"))
    (chunk,) = parse(shape.closing_chunks(include_usage=True).removesuffix(DONE))

    assert chunk["choices"] == []
    assert chunk["usage"] == usage(7, 3)
    assert chunk["id"] == shape.id


@both_shapes
def test_the_other_chunks_have_a_null_usage_where_it_was_asked_for(kind: type[Shape]) -> None:
    delta = Delta(1, 0, "a", [1], "stop")
    asked, not_asked = make(kind, told=True), make(kind)

    assert all(chunk["usage"] is None for chunk in parse(asked.opening_chunks() + asked.chunk(delta)))
    assert all("usage" not in chunk for chunk in parse(not_asked.opening_chunks() + not_asked.chunk(delta)))


@both_shapes
def test_logprobs_are_not_told_unless_asked_for(kind: type[Shape]) -> None:
    delta = Delta(1, 0, "a", [1], "stop", logprobs=[TokenLogprob("a", 1, -0.5)])

    assert whole(make(kind), delta)["choices"][0]["logprobs"] is None
    assert parse(make(kind).chunk(delta))[0]["choices"][0]["logprobs"] is None
