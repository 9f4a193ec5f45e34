"""The replies of every endpoint, judged by the types of the OpenAI SDK."""

import json
from typing import Any

import pytest
from openai.types import Completion, CreateEmbeddingResponse
from openai.types.chat import ChatCompletion, ChatCompletionChunk
from openai.types.responses import Response

from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.embedding import EmbeddingShape
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape
from schemas.requests.responses import ResponseSchema
from schemas.wire import Accepted, Delta, TokenLogprob, ToolCall
from tests.sdk_types import check, events_of

TOKENS = [TokenLogprob(text, number, -0.5, ((text, number, -0.5),)) for number, text in enumerate(("a", "b"))]
CALL = ToolCall(0, "call_1", "f", '{"a":1}')
ANSWERS: dict[str, list[Delta]] = {
    "a text": [Delta(1, 0, "a", [1]), Delta(1, 0, "b", [2], "stop")],
    "nothing": [Delta(1, 0, "", [1], "stop")],
    "cut off": [Delta(1, 0, "ab", [1, 2], "length")],
    "log probabilities": [Delta(1, 0, "a", [1], logprobs=TOKENS[:1]), Delta(1, 0, "b", [2], "stop", None, TOKENS[1:])],
    "a call": [Delta(1, 0, "", [1], "tool_calls", tool_calls=[CALL])],
    "all": [
        Delta(1, 0, "", [1], reasoning="Hm."),
        Delta(1, 0, "a", [2], logprobs=TOKENS[:1], cached_tokens=2),
        Delta(1, 0, "", [3], tool_calls=[CALL]),
        Delta(1, 0, "", [4], "tool_calls", tool_calls=[ToolCall(1, "call_2", "g")], reasoning_tokens=1),
    ],
}
all_answers = pytest.mark.parametrize("answer", ANSWERS)


def shape(kind: type[Shape], answer: str, **options: Any) -> Any:
    options = {"with_logprobs": answer in ("log probabilities", "all"), "include_usage": True, **options}
    if kind is ResponseShape:
        echoed = ResponseSchema().load({"input": "a", "temperature": 0.5, "top_p": 1}).echoed
        made: Shape = ResponseShape(echoed, None, "m", 1, **options)
    else:
        made = kind("m", 1, fingerprint="fp_1", **options)
    made.accept(Accepted(id=1, prompt_tokens=7))
    return made


def whole(kind: type[Shape], answer: str) -> Any:
    made = shape(kind, answer)
    for delta in ANSWERS[answer]:
        made.add(delta)
    return json.loads(made.whole())


def stream(kind: type[Shape], answer: str) -> str:
    made = shape(kind, answer)
    chunks = [made.opening_chunks(), *map(made.chunk, ANSWERS[answer]), made.closing_chunks(include_usage=True)]
    return b"".join(chunks).decode()


@all_answers
def test_a_chat_completion(answer: str) -> None:
    body = whole(ChatShape, answer)

    check(ChatCompletion, body)
    (choice,) = body["choices"]
    assert choice["message"]["refusal"] is None
    assert choice["logprobs"] is None or choice["logprobs"]["refusal"] is None
    assert body["usage"]["completion_tokens_details"] == {"reasoning_tokens": 1 if answer == "all" else 0}


@all_answers
def test_the_chunks_of_a_chat_completion(answer: str) -> None:
    lines = stream(ChatShape, answer).split("\n\n")
    for line in lines[:-2]:
        check(ChatCompletionChunk, json.loads(line.removeprefix("data: ")))


@pytest.mark.parametrize("answer", ["a text", "nothing", "cut off", "log probabilities"])
def test_a_completion(answer: str) -> None:
    check(Completion, whole(CompletionShape, answer))
    assert whole(CompletionShape, answer)["usage"]["completion_tokens_details"] == {"reasoning_tokens": 0}


@all_answers
def test_a_response(answer: str) -> None:
    check(Response, whole(ResponseShape, answer))


@all_answers
def test_the_events_of_a_response(answer: str) -> None:
    events = events_of(stream(ResponseShape, answer))
    expected = whole(ResponseShape, answer)
    final = events[-1]["response"]

    def without_ids(output: Any) -> Any:
        return [{name: value for name, value in item.items() if name != "id"} for item in output]

    assert without_ids(final["output"]) == without_ids(expected["output"])
    assert final["usage"] == expected["usage"]
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == final["output"]


def test_embeddings() -> None:
    made = EmbeddingShape(False, "m", 1, with_logprobs=False, include_usage=False)
    made.add(Delta(1, 0, "", [], "stop", vector=b"\0" * 8))
    check(CreateEmbeddingResponse, json.loads(made.whole()))
