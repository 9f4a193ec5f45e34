"""A reply as server-sent events: what is sent, and how a stream ends."""

import json
from collections.abc import Iterator
from typing import Any

import gevent
import pytest

from schemas import wire
from schemas.errors import ApiError
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.shape import Shape
from webapp.answering import sse
from webapp.connection.chunk_writer import ChunkWriter
from webapp.engine.reply import Reply


def delta(text: str, finish: str | None = None, index: int = 0) -> wire.Delta:
    return wire.Delta(1, index, text, [1], finish)


@pytest.fixture
def reply() -> Reply:
    return Reply(wire.Generate(id=1, name="", messages=[], stream=True), lambda _: None)


def stream(reply: Reply, kind: type[Shape] = CompletionShape, *, usage: bool = False) -> Iterator[bytes]:
    shape = kind("fake", reply.generate.choices, with_logprobs=False, include_usage=usage)
    return sse.events(
        reply, shape, include_usage=usage, on_text=lambda: None, on_end=lambda _: None, writer=ChunkWriter(None, shape)
    )


def parse(writes: list[bytes]) -> list[Any]:
    """The bodies of all events; `[DONE]` and comments as they are."""
    events = b"".join(writes).split(b"\n\n")
    assert events.pop() == b""
    payloads = [event.removeprefix(b"data: ").decode() for event in events]
    return [json.loads(payload) if payload.startswith("{") else payload for payload in payloads]


def test_what_waits_leaves_in_one_write_and_one_event(reply: Reply) -> None:
    for item in (delta("one "), delta("two"), delta("", "stop")):
        reply.put(item)
    writes = list(stream(reply))

    assert len(writes) == 1
    *chunks, done = parse(writes)
    assert [chunk["choices"][0]["text"] for chunk in chunks] == ["one two", ""]
    assert done == "[DONE]"


@pytest.mark.parametrize("character", ["\u2028", "\u2029", "\x85", "\x0b", "\x0c", "\x1c"], ids=ascii)
def test_no_character_ends_a_line_for_any_client(reply: Reply, character: str) -> None:
    """httpx splits lines as Python's `splitlines` does."""
    for item in (delta(f"a{character}b, 字 …"), delta("", "stop")):
        reply.put(item)
    writes = list(stream(reply))

    assert len(b"".join(writes).decode().splitlines()) == len(b"".join(writes).split(b"\n")) - 1
    assert parse(writes)[0]["choices"][0]["text"] == f"a{character}b, 字 …"


def test_an_error_ends_no_line_either(reply: Reply) -> None:
    reply.put(delta("a"))
    reply.fail(ApiError(500, "a\u2028b"))
    (error,) = [payload for payload in parse(list(stream(reply))) if "error" in payload]

    assert error["error"]["message"] == "a\u2028b"


def test_text_leaves_before_the_next_has_come(reply: Reply) -> None:
    reply.put(delta("one "))
    events = stream(reply)
    assert parse([next(events)])[0]["choices"][0]["text"] == "one "

    reply.put(delta("two", "stop"))
    assert parse([next(events)])[0]["choices"][0]["text"] == "two"
    assert list(events) == []


def test_the_opening_is_sent_once_and_first(reply: Reply) -> None:
    events = stream(reply, ChatShape)
    reply.put(delta("one "))
    first = parse([next(events)])
    reply.put(delta("two", "stop"))
    second = parse([next(events)])

    assert [chunk["choices"][0]["delta"] for chunk in first] == [
        {"role": "assistant", "content": "", "refusal": None},
        {"content": "one "},
    ]
    assert [chunk["choices"][0]["delta"] for chunk in second[:-1]] == [{"content": "two"}, {}]


@pytest.mark.parametrize("usage", [True, False], ids=["asked for", "not asked for"])
def test_usage_is_the_last_chunk_before_done(reply: Reply, usage: bool) -> None:
    reply.put(delta("one", "stop"))
    *chunks, last, done = parse(list(stream(reply, usage=usage)))

    assert done == "[DONE]"
    assert (last["choices"] == []) is usage
    assert all(chunk["choices"] for chunk in chunks)


def test_done_comes_once_after_the_last_choice() -> None:
    reply = Reply(wire.Generate(id=1, name="", messages=[], n=2, stream=True), lambda _: None)
    events = stream(reply)
    reply.put(delta("a", "stop", index=1))
    assert b"[DONE]" not in next(events)

    reply.put(delta("b", "stop", index=0))
    assert next(events).count(b"data: [DONE]\n\n") == 1
    assert list(events) == []


def test_silence_is_filled_with_comments(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "PING_SECONDS", 0.01)
    events = stream(reply, ChatShape)

    assert [next(events), next(events)] == [b": ping\n\n", b": ping\n\n"]
    reply.put(delta("one", "stop"))
    assert parse([next(events)])[0]["choices"][0]["delta"]["role"] == "assistant"


def test_silence_counts_from_what_was_written_past_it(reply: Reply, monkeypatch: pytest.MonkeyPatch) -> None:
    """The receiving greenlet writes while the request's own waits: it then waits for the rest of the time."""
    waits: list[float] = []
    silences = {1: 0.75 * sse.PING_SECONDS, 2: sse.PING_SECONDS}  # by the number of waits before it

    def nothing(timeout: float) -> list[wire.Delta]:
        waits.append(timeout)
        return []

    monkeypatch.setattr(reply, "deltas", nothing)
    monkeypatch.setattr(ChunkWriter, "silence", lambda _: silences[len(waits)])
    assert next(stream(reply)) == b": ping\n\n"
    assert waits == [0.0, 0.25 * sse.PING_SECONDS]


def test_no_comment_is_sent_between_texts_that_come_in_time(reply: Reply) -> None:
    events = stream(reply)
    reply.put(delta("one "))
    next(events)

    def come() -> None:
        reply.put(delta("two", "stop"))
        reply.deliver()

    gevent.spawn_later(0.01, come)
    with gevent.Timeout(sse.PING_SECONDS / 2, AssertionError("it waited for the time of a comment")):
        assert b"two" in next(events)


def test_an_error_becomes_the_last_event(reply: Reply) -> None:
    reply.put(delta("one "))
    reply.fail(ApiError(503, "Gone.", type="service_unavailable", code="engine_gone"))
    first, last = parse(list(stream(reply)))

    assert first["choices"][0]["text"] == "one "
    assert last == {"error": {"message": "Gone.", "type": "service_unavailable", "param": None, "code": "engine_gone"}}


def test_a_hang_up_ends_the_stream_without_a_word(reply: Reply) -> None:
    events = stream(reply)
    reply.put(delta("one "))
    next(events)
    reply.hang_up()

    assert list(events) == []


@pytest.mark.parametrize("writes", [1, 2])
def test_the_first_choice_is_told_whole_before_its_end_is_sent(writes: int) -> None:
    reply = Reply(wire.Generate(id=1, name="", messages=[], n=2, stream=True), lambda _: None)
    told: list[Shape] = []
    shape = ChatShape("fake", 2, with_logprobs=False, include_usage=False)
    writer = ChunkWriter(None, shape, keeps_content=True)
    events = sse.events(
        reply,
        shape,
        include_usage=False,
        on_text=lambda: None,
        on_end=lambda _: None,
        writer=writer,
        on_complete=told.append,
    )
    for item in (delta("one "), delta("x", "stop", index=1)):
        reply.put(item)
    if writes == 2:
        next(events)
        assert told == []
    reply.put(delta("two", "stop"))

    assert b"[DONE]" in next(events)
    assert ["".join(reply.choices[0].text) for reply in told] == ["one two"]


def test_a_stream_that_fails_is_never_told_as_complete(reply: Reply) -> None:
    told: list[Shape] = []
    shape = ChatShape("fake", 1, with_logprobs=False, include_usage=False)
    writer = ChunkWriter(None, shape, keeps_content=True)
    events = sse.events(
        reply,
        shape,
        include_usage=False,
        on_text=lambda: None,
        on_end=lambda _: None,
        writer=writer,
        on_complete=told.append,
    )
    reply.put(delta("one "))
    reply.fail(ApiError(503, "Gone."))

    assert b"error" in b"".join(events)
    assert told == []


def test_each_text_is_told_to_the_log(reply: Reply) -> None:
    told: list[None] = []
    shape = CompletionShape("fake", 1, with_logprobs=False, include_usage=False)
    writer = ChunkWriter(None, shape, keeps_content=True)
    events = sse.events(
        reply, shape, include_usage=False, on_text=lambda: told.append(None), on_end=lambda _: None, writer=writer
    )
    reply.put(delta("one "))
    next(events)
    assert len(told) == 1
