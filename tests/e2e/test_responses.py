"""The Responses API, through the OpenAI SDK."""

import json
from typing import Any

import openai
import pytest
from openai.types.responses import Response
from pydantic import BaseModel

from tests.harness import Hearth
from tests.sdk_types import check

WEATHER: Any = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the weather of a city",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
QUESTION = "What is the weather in Paris?"


def test_create_and_retrieve(hearth: Hearth) -> None:
    client = hearth.openai()
    made = client.responses.create(model="m", input="Who are you?", temperature=0, metadata={"a": "b"})
    assert made.status == "completed"
    assert "Hearth" in made.output_text
    assert made.usage is not None
    assert made.usage.total_tokens == made.usage.input_tokens + made.usage.output_tokens
    assert client.responses.retrieve(made.id).model_dump() == made.model_dump()
    check(Response, made.model_dump())
    assert made.temperature == 0
    items = client.responses.input_items.list(made.id)
    assert [item.type for item in items.data] == ["message"]
    counted = client.responses.input_tokens.count(model="m", input="Who are you?")
    assert counted.input_tokens == made.usage.input_tokens
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_a_stream_is_the_whole_in_pieces(hearth: Hearth) -> None:
    client = hearth.openai()
    whole = client.responses.create(model="m", input="Who are you?", temperature=0)
    with client.responses.stream(model="m", input="Who are you?", temperature=0) as stream:
        events = list(stream)
        final = stream.get_final_response()
    assert final.output_text == whole.output_text
    assert "".join(event.delta for event in events if event.type == "response.output_text.delta") == whole.output_text
    assert [event.sequence_number for event in events] == list(range(len(events)))
    kinds = list(dict.fromkeys(event.type for event in events))
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert client.responses.retrieve(final.id).output_text == whole.output_text


def test_a_response_is_gone_on_from(hearth: Hearth) -> None:
    client = hearth.openai()
    first = client.responses.create(model="m", input="我叫小明。", temperature=0)
    second = client.responses.create(model="m", input="我叫什么名字？", previous_response_id=first.id, temperature=0)
    assert "小明" in second.output_text
    client.responses.delete(first.id)
    third = client.responses.create(model="m", input="我叫什么名字？", previous_response_id=second.id, temperature=0)
    assert "小明" in third.output_text


def test_a_conversation_of_openais(hearth: Hearth) -> None:
    client = hearth.openai()
    made = client.conversations.create(metadata={"a": "b"}, items=[{"role": "user", "content": "我叫小明。"}])
    client.conversations.items.create(made.id, items=[{"role": "assistant", "content": "你好，小明。"}])
    reply = client.responses.create(model="m", input="我叫什么名字？", conversation=made.id, temperature=0)
    assert "小明" in reply.output_text
    items: list[Any] = list(client.conversations.items.list(made.id, order="asc", limit=2))
    assert [item.type for item in items] == ["message"] * 4
    assert items[3].id == reply.output[0].id
    client.conversations.items.delete(items[3].id, conversation_id=made.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.items.retrieve(items[3].id, conversation_id=made.id)
    assert client.conversations.update(made.id, metadata={"a": "c"}).metadata == {"a": "c"}
    client.conversations.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.conversations.retrieve(made.id)


def test_what_was_said_is_referred_to(hearth: Hearth) -> None:
    client = hearth.openai()
    first = client.responses.create(model="m", input="我叫小明。", temperature=0)
    said: Any = [
        {"role": "user", "content": "我叫小明。"},
        *({"type": "item_reference", "id": item.id} for item in first.output),
        {"role": "user", "content": "我叫什么名字？"},
    ]
    second = client.responses.create(model="m", input=said, temperature=0)
    assert "小明" in second.output_text


def test_what_is_too_long_loses_its_beginning(hearth: Hearth) -> None:
    client = hearth.openai()
    long: Any = [{"role": role, "content": "word " * 300} for _ in range(10) for role in ("user", "assistant")]
    asked: Any = [*long, {"role": "user", "content": "Who are you?"}]
    reply = client.responses.create(model="m", input=asked, truncation="auto", temperature=0, max_output_tokens=50)
    assert "Hearth" in reply.output_text
    with pytest.raises(openai.BadRequestError):
        client.responses.create(model="m", input=asked)


def test_a_conversation_has_a_name(hearth: Hearth) -> None:
    client = hearth.openai()
    try:
        client.responses.create(model="m", input="我叫小明。", conversation="named", temperature=0)
        again = client.responses.create(model="m", input="我叫什么名字？", conversation={"id": "named"}, temperature=0)
        assert "小明" in again.output_text
        assert again.conversation is not None
        assert again.conversation.id == "named"
        assert len(hearth.get("/v1/conversations/named").json()["messages"]) == 4
    finally:
        openai.DefaultHttpxClient().delete(f"{hearth.url}/v1/conversations/named")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_tool_is_called_and_its_output_used(hearth: Hearth, stream: bool) -> None:
    client = hearth.openai()
    asked: Any = {"model": "m", "input": QUESTION, "tools": [WEATHER], "temperature": 0}
    if stream:
        with client.responses.stream(**asked) as events:
            pieces = [event.delta for event in events if event.type == "response.function_call_arguments.delta"]
            first = events.get_final_response()
        assert json.loads("".join(pieces)) == {"city": "Paris"}
    else:
        first = client.responses.create(**asked)
    (call,) = first.output
    assert call.type == "function_call"
    assert (call.name, json.loads(call.arguments)) == ("get_weather", {"city": "Paris"})
    output: Any = [
        {
            "type": "function_call_output",
            "call_id": call.call_id,
            "output": json.dumps({"weather": "sunny", "temperature": 22}),
        }
    ]
    second = client.responses.create(
        model="m", input=output, previous_response_id=first.id, tools=[WEATHER], temperature=0
    )
    assert "sunny" in second.output_text


def test_a_typed_object(hearth: Hearth) -> None:
    class Answer(BaseModel):
        yes: bool

    reply = hearth.openai().responses.parse(model="m", input="Hello", text_format=Answer, temperature=0)
    assert isinstance(reply.output_parsed, Answer)


def test_instructions_are_for_one_response(hearth: Hearth) -> None:
    client = hearth.openai()
    greeted = client.responses.create(
        model="m", input="What is the capital of France?", instructions="Always start with a greeting", temperature=0
    )
    assert greeted.output_text.startswith("Hello")
    after = client.responses.create(
        model="m", input="What is the capital of France?", previous_response_id=greeted.id, temperature=0
    )
    assert after.instructions is None


def test_what_is_cut_off_is_incomplete(hearth: Hearth) -> None:
    reply = hearth.openai().responses.create(model="m", input="Write a long story.", max_output_tokens=5, store=False)
    assert reply.status == "incomplete"
    assert reply.incomplete_details is not None
    assert reply.incomplete_details.reason == "max_output_tokens"
    with pytest.raises(openai.NotFoundError):
        hearth.openai().responses.retrieve(reply.id)


@pytest.mark.parametrize(
    ("body", "status", "param"),
    [
        ({}, 400, "input"),
        ({"input": []}, 400, "input"),
        ({"input": [{"role": "tool", "content": "a"}]}, 400, "input[0].role"),
        ({"input": [{"type": "image"}]}, 400, "input[0].type"),
        ({"input": [{"role": "user", "content": [{"type": "input_image"}]}]}, 400, "input[0].content[0].type"),
        ({"input": [{"type": "function_call_output", "call_id": "x", "output": "a"}]}, 400, "input[0].call_id"),
        ({"input": "a", "previous_response_id": "resp_x"}, 400, "previous_response_id"),
        ({"input": [{"type": "item_reference", "id": "msg_x"}]}, 404, "input[0].id"),
        ({"input": "a", "top_logprobs": 21}, 400, "top_logprobs"),
        ({"input": "a", "previous_response_id": "resp_x", "conversation": "c"}, 400, "previous_response_id"),
        ({"input": "a", "background": True, "store": False}, 400, "background"),
        ({"input": "a", "max_output_tokens": 999_999}, 400, "max_output_tokens"),
        ({"input": "a", "text": {"format": {"type": "json_schema", "name": "a"}}}, 400, "text.format.schema"),
        ({"input": "word " * 3000}, 400, "input"),
    ],
    ids=lambda value: str(value)[:50],
)
def test_bad_input_is_named(hearth: Hearth, body: dict[str, Any], status: int, param: str) -> None:
    response = hearth.post("/v1/responses", body)
    assert (response.status_code, response.json()["error"]["param"]) == (status, param), response.text


def test_a_response_that_never_ran_in_the_background_cannot_be_cancelled(hearth: Hearth) -> None:
    client = hearth.openai()
    made = client.responses.create(model="m", input="Hello", temperature=0)
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.cancel("resp_none")
