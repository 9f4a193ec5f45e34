"""The replies of Anthropic's API, whole and streamed, judged by the types of Anthropic's SDK."""

import json
from typing import Any

import pytest
from anthropic.types import Message, RawMessageStreamEvent
from anthropic.types.shared import ErrorResponse

from schemas.errors import ApiError, context_length_exceeded, invalid
from schemas.replies.anthropic.error import error_body
from schemas.replies.anthropic.message import MessageShape
from schemas.wire import Accepted, Delta, ToolCall
from tests.sdk_types import check, message_of

CALL = ToolCall(0, "call_1", "f", '{"a":[1,{"b":null}]}')
ANSWERS: dict[str, list[Delta]] = {
    "a text": [Delta(1, 0, "a", [1], cached_tokens=4), Delta(1, 0, "b\u2028", [2], "stop")],
    "nothing": [Delta(1, 0, "", [1], "stop")],
    "cut off": [Delta(1, 0, "ab", [1, 2], "length")],
    "a stop sequence": [Delta(1, 0, "ab", [1, 2], "stop", "END")],
    "the server's own stop": [Delta(1, 0, "ab", [1, 2], "stop", "other")],
    "a stop token": [Delta(1, 0, "ab", [1, 2], "stop", 7)],
    "a call": [Delta(1, 0, "", [1], "tool_calls", tool_calls=[CALL])],
    "a call in pieces": [
        Delta(1, 0, "", [1], tool_calls=[ToolCall(0, "call_1", "f", '{"a":')]),
        Delta(1, 0, "", [2], "tool_calls", tool_calls=[ToolCall(0, arguments='"b"}')]),
    ],
    "calls without sense": [
        Delta(1, 0, "", [1], tool_calls=[ToolCall(0, "call_1", "f", '{"a":'), ToolCall(1, "call_2", "g", "[1]")]),
        Delta(1, 0, "", [2], "stop", tool_calls=[ToolCall(2, "call_3", "h", "")]),
    ],
    "all": [
        Delta(1, 0, "", [1], reasoning="Hm"),
        Delta(1, 0, "", [2], reasoning="."),
        Delta(1, 0, "a", [3]),
        Delta(1, 0, "", [4], tool_calls=[CALL]),
        Delta(1, 0, "", [5], "tool_calls", tool_calls=[ToolCall(1, "call_2", "g")], reasoning_tokens=2),
    ],
}
all_answers = pytest.mark.parametrize("answer", ANSWERS)
STOPS = {
    "cut off": ("max_tokens", None),
    "a stop sequence": ("stop_sequence", "END"),
    "a call": ("tool_use", None),
    "a call in pieces": ("tool_use", None),
    "calls without sense": ("tool_use", None),
    "all": ("tool_use", None),
}
TEXT_EVENTS = ["content_block_start", "content_block_delta", "content_block_stop"]


def shape() -> MessageShape:
    made = MessageShape(["END"], "m", 1, with_logprobs=False, include_usage=False)
    made.accept(Accepted(id=1, prompt_tokens=7))
    return made


def whole(answer: str) -> Any:
    made = shape()
    for delta in ANSWERS[answer]:
        made.add(delta)
    return json.loads(made.whole())


def events_of(stream: bytes) -> list[dict[str, Any]]:
    """The events of a stream, each checked, and named as its type is."""
    events = []
    for lines in stream.decode().removesuffix("\n\n").split("\n\n"):
        name, data = lines.split("\n", 1)
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
        check(RawMessageStreamEvent, events[-1])
    return events


def stream(answer: str) -> bytes:
    made = shape()
    pieces = [made.opening_chunks(), *map(made.chunk, ANSWERS[answer]), made.closing_chunks(include_usage=False)]
    return b"".join(pieces)


def streamed(answer: str) -> list[dict[str, Any]]:
    return events_of(stream(answer))


@all_answers
def test_a_message(answer: str) -> None:
    body = whole(answer)
    check(Message, body)
    assert (body["stop_reason"], body["stop_sequence"]) == STOPS.get(answer, ("end_turn", None))
    assert body["id"].startswith("msg_")


@all_answers
def test_a_stream_is_the_whole_in_pieces(answer: str) -> None:
    told, expected = message_of(stream(answer)), Message.model_validate(whole(answer))
    for message in (told, expected):
        message.id = ""
    told.usage = expected.usage  # a stream counts the usage of its last event
    assert told.to_dict() == expected.to_dict()


def test_the_order_of_the_events() -> None:
    kinds = [event["type"] for event in streamed("all")]
    assert kinds == [
        "message_start",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_delta",  # the signature
        "content_block_stop",
        *TEXT_EVENTS * 3,
        "message_delta",
        "message_stop",
    ]
    indices = [event["index"] for event in streamed("all") if "index" in event]
    assert indices == sorted(indices)
    assert [event["type"] for event in streamed("nothing")] == ["message_start", "message_delta", "message_stop"]


def test_what_a_block_is() -> None:
    thinking, text, first, second = whole("all")["content"]
    assert (thinking["thinking"], text["text"]) == ("Hm.", "a")
    assert (first["id"], first["name"], first["input"]) == ("call_1", "f", {"a": [1, {"b": None}]})
    assert second["input"] == {}
    assert whole("nothing")["content"] == []


def test_arguments_that_are_no_object_are_the_value_of_one() -> None:
    inputs = [block["input"] for block in whole("calls without sense")["content"]]
    assert inputs == [{"INVALID_JSON": '{"a":'}, {"INVALID_JSON": "[1]"}, {}]


def test_what_was_cached_does_not_count_as_input() -> None:
    usage = whole("a text")["usage"]
    assert (usage["input_tokens"], usage["cache_read_input_tokens"], usage["output_tokens"]) == (3, 4, 2)
    first, *_, last, _ = streamed("a text")
    assert (first["message"]["usage"]["input_tokens"], first["message"]["usage"]["cache_read_input_tokens"]) == (3, 4)
    assert {name: usage[name] for name in last["usage"]} == last["usage"]
    assert whole("all")["usage"]["output_tokens_details"] == {"thinking_tokens": 2}


def test_a_warning_comes_at_the_begin_or_else_at_the_end() -> None:
    made = MessageShape([], "m", 1, with_logprobs=False, include_usage=False, warnings=["One."])
    begin = made.chunk(Delta(1, 0, "a", [1], "stop"))
    made.warn("Two.")
    assert events_of(begin)[0]["message"]["warning"] == "One."
    assert events_of(made.closing_chunks(include_usage=False))[0]["warning"] == "Two."
    assert json.loads(made.whole())["warning"] == "One. Two."


def test_a_ping_is_an_event() -> None:
    assert MessageShape.ping == b'event: ping\ndata: {"type":"ping"}\n\n'


def test_a_stream_that_fails_ends_with_an_error() -> None:
    made = shape()
    made.chunk(Delta(1, 0, "a", [1]))
    (event,) = made.error_pieces(ApiError(503, "Later."))
    assert event == (
        b'event: error\ndata: {"type":"error","error":{"type":"overloaded_error","message":"Later."},'
        b'"request_id":"%b"}\n\n' % made.id.encode()
    )


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, "invalid_request_error"),
        (401, "authentication_error"),
        (403, "permission_error"),
        (404, "not_found_error"),
        (405, "invalid_request_error"),
        (415, "invalid_request_error"),
        (429, "rate_limit_error"),
        (500, "api_error"),
        (503, "overloaded_error"),
        (504, "timeout_error"),
    ],
)
def test_an_error_has_a_type_that_the_sdk_knows(status: int, kind: str) -> None:
    body = error_body(ApiError(status, "No."), "r")
    assert body == {"type": "error", "error": {"type": kind, "message": "No."}, "request_id": "r"}
    check(ErrorResponse, body)


def test_a_body_that_is_too_large_has_the_documents_own_type() -> None:
    assert error_body(ApiError(413, "No."), "r")["error"]["type"] == "request_too_large"


def test_a_prompt_that_is_too_long_is_told_as_claude_code_looks_for_it() -> None:
    message = error_body(context_length_exceeded(9, 8, "messages"), "r")["error"]["message"]
    assert message.startswith("prompt is too long: ")
    assert error_body(invalid("No."), "r")["error"]["message"] == "No."
