"""What a reply has beside text: tool calls, reasoning, token ids, figures of the prompt."""

import json
from functools import partial
from typing import Any

import pytest

from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.embedding import EmbeddingShape
from schemas.replies.plain import PlainShape
from schemas.replies.shape import Shape
from schemas.wire import Accepted, Delta, TokenLogprob, ToolCall
from tests.schemas.requests.usage import usage

CALLS = [ToolCall(0, "call_1", "get_weather", '{"city": '), ToolCall(0, arguments='"Paris"}')]
both_shapes = pytest.mark.parametrize("kind", [ChatShape, CompletionShape])


def make(kind: type[Shape], choices: int = 1, **fields: Any) -> Shape:
    shape = kind("fake", choices, **{"with_logprobs": False, "include_usage": False, **fields})
    shape.accept(Accepted(id=1, prompt_tokens=7))
    return shape


def whole(shape: Shape, *deltas: Delta) -> Any:
    for delta in deltas:
        shape.add(delta)
    return json.loads(shape.whole())


def parse(events: bytes) -> list[Any]:
    return [json.loads(event.removeprefix(b"data: ")) for event in events.split(b"\n\n") if event]


def test_calls_in_a_whole_reply() -> None:
    body = whole(make(ChatShape), *(Delta(1, 0, "", [1], tool_calls=[call]) for call in CALLS))

    assert body["choices"][0]["message"] == {
        "role": "assistant",
        "content": None,
        "refusal": None,
        "tool_calls": [
            {
                "id": "call_1",
                "type": "function",
                "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'},
            }
        ],
    }


def test_calls_in_a_stream() -> None:
    shape = make(ChatShape)
    first, second, end = parse(
        shape.chunk(Delta(1, 0, "", [1], tool_calls=[CALLS[0]]))
        + shape.chunk(Delta(1, 0, "", [2], "tool_calls", tool_calls=[CALLS[1]]))
    )

    function = {"name": "get_weather", "arguments": '{"city": '}
    assert first["choices"][0]["delta"] == {
        "tool_calls": [{"index": 0, "id": "call_1", "type": "function", "function": function}]
    }
    assert second["choices"][0]["delta"] == {"tool_calls": [{"index": 0, "function": {"arguments": '"Paris"}'}}]}
    assert end["choices"][0]["finish_reason"] == "tool_calls"


REASONING = {"reasoning": "They greet me.", "reasoning_content": "They greet me."}


def test_reasoning_comes_before_the_answer() -> None:
    delta = Delta(1, 0, "Hello!", [1], "stop", reasoning="They greet me.")
    thought, text, _ = parse(make(ChatShape).chunk(delta))

    assert thought["choices"][0]["delta"] == REASONING
    assert text["choices"][0]["delta"] == {"content": "Hello!"}
    message = whole(make(ChatShape), delta)["choices"][0]["message"]
    assert message == {"role": "assistant", "content": "Hello!", "refusal": None, **REASONING}


@both_shapes
def test_token_ids(kind: type[Shape]) -> None:
    shape = make(kind, with_token_ids=True)
    shape.accept(Accepted(id=1, prompt_tokens=7, prompt_token_ids=[[5, 6]]))
    text, silent, end = parse(
        shape.chunk(Delta(1, 0, "a", [1, 2]))
        + shape.chunk(Delta(1, 0, "", [3]))
        + shape.chunk(Delta(1, 0, "", [], "stop"))
    )

    assert text["choices"][0]["token_ids"] == [1, 2]
    assert silent["choices"][0]["token_ids"] == [3]
    assert "token_ids" not in end["choices"][0]
    again = make(kind, with_token_ids=True)
    again.accept(Accepted(id=1, prompt_tokens=7, prompt_token_ids=[[5, 6]]))
    body = whole(again, Delta(1, 0, "a", [1, 2], "stop"))
    assert body["choices"][0]["token_ids"] == [1, 2]
    assert (body if kind is ChatShape else body["choices"][0])["prompt_token_ids"] == [5, 6]


def test_the_prompts_ids_come_with_a_chats_first_chunk() -> None:
    shape = make(ChatShape, 2, with_token_ids=True)
    shape.accept(Accepted(id=1, prompt_tokens=7, prompt_token_ids=[[5, 6]]))
    first, second = parse(shape.opening_chunks())

    assert first["prompt_token_ids"] == [5, 6]
    assert "prompt_token_ids" not in second


def test_each_choice_of_a_completion_has_its_own_prompt() -> None:
    shape = make(CompletionShape, 4, n=2, with_token_ids=True)
    shape.accept(Accepted(id=1, prompt_tokens=7, prompt_token_ids=[[5], [6]]))
    body = whole(shape, *(Delta(1, index, "a", [1], "stop") for index in range(4)))

    assert [choice["prompt_token_ids"] for choice in body["choices"]] == [[5], [5], [6], [6]]


@both_shapes
def test_log_probabilities_of_the_prompt(kind: type[Shape]) -> None:
    scores = [
        TokenLogprob("a", 1, None),
        TokenLogprob("b", 2, -1.5, (("c", 3, -0.5), ("b", 2, -1.5)), rank=2),
        TokenLogprob("d", 4, -9.0, (("c", 3, -0.5),), rank=8),
    ]
    body = whole(make(kind), Delta(1, 0, "x", [9], "stop", prompt_logprobs=scores))

    assert (body if kind is ChatShape else body["choices"][0])["prompt_logprobs"] == [
        None,
        {
            "2": {"logprob": -1.5, "rank": 2, "decoded_token": "b"},
            "3": {"logprob": -0.5, "rank": 1, "decoded_token": "c"},
        },
        {
            "4": {"logprob": -9.0, "rank": 8, "decoded_token": "d"},
            "3": {"logprob": -0.5, "rank": 1, "decoded_token": "c"},
        },
    ]


@both_shapes
def test_a_prompts_cached_tokens_count_once(kind: type[Shape]) -> None:
    deltas = [Delta(1, index, "a", [1], "stop", cached_tokens=5) for index in range(2)]
    streamed = make(kind, 2)
    for delta in deltas:
        streamed.chunk(delta)

    assert whole(make(kind, 2), *deltas)["usage"] == streamed.usage() == usage(7, 2, cached=5)


@both_shapes
def test_no_more_tokens_are_cached_than_the_prompt_has(kind: type[Shape]) -> None:
    """An engine that resumes an answer has a part of it in its cache, too."""
    assert whole(make(kind), Delta(1, 0, "a", [1], "stop", cached_tokens=9))["usage"] == usage(7, 1, cached=7)


@both_shapes
def test_usage_may_come_with_every_chunk(kind: type[Shape]) -> None:
    shape = make(kind, include_usage=True, continuous_usage=True)
    chunks = parse(shape.chunk(Delta(1, 0, "a", [1])) + shape.chunk(Delta(1, 0, "b", [2])))

    assert [chunk["usage"] for chunk in chunks] == [usage(7, 1), usage(7, 2)]


class Unread(list[Any]):
    """Choices that are only looked up, each by its index."""

    def __iter__(self) -> Any:
        raise AssertionError("all choices are gone through for one delta")


@both_shapes
def test_the_usage_of_a_chunk_takes_no_longer_for_many_choices(kind: type[Shape]) -> None:
    shape = make(kind, 3, include_usage=True, continuous_usage=True)
    shape.choices = Unread(shape.choices)
    end = Delta(1, 2, "c", [3, 4], "stop", discarded_tokens=5, reasoning_tokens=2)
    chunks = parse(shape.chunk(Delta(1, 0, "a", [1])) + shape.chunk(Delta(1, 1, "b", [2])) + shape.chunk(end))

    assert [chunk["usage"]["completion_tokens"] for chunk in chunks] == [1, 2, 9, 9]
    assert chunks[1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}
    assert chunks[-1]["usage"]["completion_tokens_details"] == {"reasoning_tokens": 2}


def test_usage_may_come_with_the_opening_too() -> None:
    shape = make(ChatShape, 2, include_usage=True, continuous_usage=True)

    assert [chunk["usage"] for chunk in parse(shape.opening_chunks())] == [usage(7, 0)] * 2


@both_shapes
def test_the_first_chunk_has_the_requests_and_the_engines_warnings(kind: type[Shape]) -> None:
    shape = make(kind, 2, warnings=("One.",))
    shape.accept(Accepted(id=1, prompt_tokens=7, warnings=["Two."]))
    first, *others = parse(shape.opening_chunks())

    assert first["warning"] == "One. Two."
    assert first["choices"][0]["index"] == 0
    assert not any("warning" in chunk for chunk in others)
    shape.warn("Three.")
    closing = shape.closing_chunks(include_usage=False)
    assert b"One." not in closing and b'"warning":"Three."' in closing
    assert b"warning" not in make(kind).opening_chunks()


@pytest.mark.parametrize("kind", [ChatShape, CompletionShape, partial(EmbeddingShape, False), partial(PlainShape, [])])
def test_a_whole_reply_has_all_warnings(kind: Any) -> None:
    shape = make(kind, warnings=("One.",))
    shape.warn("Two.")
    shape.warn(None)

    assert json.loads(shape.whole())["warning"] == "One. Two."
    assert "warning" not in json.loads(make(kind).whole())


@both_shapes
def test_the_engines_fingerprint_ends_a_stream(kind: type[Shape]) -> None:
    shape = make(kind, fingerprint="fp_1")
    text, end = parse(shape.chunk(Delta(1, 0, "a", [1], "stop")))

    assert "system_fingerprint" not in text
    assert end["system_fingerprint"] == "fp_1"
    assert whole(make(kind, fingerprint="fp_1"))["system_fingerprint"] == "fp_1"
