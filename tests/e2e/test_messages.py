"""Anthropic's Messages API, through Anthropic's SDK."""

from typing import Any

import anthropic
import pytest
from anthropic.types import Message, MessageParam, ToolParam
from pydantic import BaseModel

from tests.harness import Hearth
from tests.schemas.openapi.test_document import check as check_document
from tests.sdk_types import check

QUESTION: list[MessageParam] = [{"role": "user", "content": "Who are you?"}]
WEATHER: ToolParam = {
    "name": "get_weather",
    "description": "Get the weather of a city",
    "input_schema": {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": {"city": {"type": "string"}},
        "required": ["city"],
        "additionalProperties": False,
    },
}
GREEDY = {"temperature": 0}  # which the newest SDK does not name any more
ASKED: list[MessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]


def text_of(message: Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


def test_a_message(hearth: Hearth) -> None:
    client = hearth.anthropic()
    message = client.messages.create(model="claude-sonnet", max_tokens=100, messages=QUESTION, extra_body=GREEDY)
    assert "Hearth" in text_of(message)
    assert (message.model, message.stop_reason, message.role) == ("hearth-demo", "end_turn", "assistant")
    assert message._request_id == message.id
    check(Message, message.to_dict())
    same: Any = hearth.openai().chat.completions.create(model="m", messages=QUESTION, temperature=0)  # type: ignore[arg-type]
    assert text_of(message) == same.choices[0].message.content
    usage, total = message.usage, same.usage.total_tokens
    assert usage.input_tokens + (usage.cache_read_input_tokens or 0) + usage.output_tokens == total
    counted = client.messages.count_tokens(model="m", messages=QUESTION)
    assert counted.input_tokens == same.usage.prompt_tokens
    raw = hearth.post("/v1/messages", {"max_tokens": 5, "messages": QUESTION}).json()
    check_document("AnthropicMessage", raw)


def test_a_stream_is_the_whole_in_pieces(hearth: Hearth) -> None:
    client = hearth.anthropic()
    whole = client.messages.create(model="m", max_tokens=100, messages=QUESTION, extra_body=GREEDY)
    with client.messages.stream(model="m", max_tokens=100, messages=QUESTION, extra_body=GREEDY) as stream:
        pieces = list(stream.text_stream)
        final = stream.get_final_message()
    assert "".join(pieces) == text_of(final) == text_of(whole)
    assert len(pieces) > 3, "the text came in one piece"
    assert (final.stop_reason, final.usage.output_tokens) == (whole.stop_reason, whole.usage.output_tokens)


def test_the_model_calls_a_tool_and_uses_its_result(hearth: Hearth) -> None:
    client = hearth.anthropic()
    first = client.messages.create(model="m", max_tokens=100, messages=ASKED, tools=[WEATHER], extra_body=GREEDY)
    assert first.stop_reason == "tool_use"
    (call,) = [block for block in first.content if block.type == "tool_use"]
    assert (call.name, call.input) == ("get_weather", {"city": "Paris"})
    asked: Any = {"model": "m", "max_tokens": 100, "messages": ASKED, "tools": [WEATHER], "extra_body": GREEDY}
    with client.messages.stream(**asked) as stream:
        streamed = stream.get_final_message()
    assert [block.input for block in streamed.content if block.type == "tool_use"] == [call.input]

    content: Any = '{"weather": "sunny", "temperature": 22}'
    result: MessageParam = {
        "role": "user",
        "content": [{"type": "tool_result", "tool_use_id": call.id, "content": [{"type": "text", "text": content}]}],
    }
    answer: Any = {"role": "assistant", "content": first.content}
    second = client.messages.create(
        model="m", max_tokens=100, messages=[*ASKED, answer, result], tools=[WEATHER], extra_body=GREEDY
    )
    assert "sunny" in text_of(second)


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
def test_a_call_is_forced(hearth: Hearth, choice: Any) -> None:
    forced: Any = {**choice, "disable_parallel_tool_use": True}
    message = hearth.anthropic().messages.create(
        model="m",
        max_tokens=200,
        messages=QUESTION,
        tools=[WEATHER],
        tool_choice=forced,
        extra_body=GREEDY,
    )
    assert message.stop_reason == "tool_use"
    (call,) = [block for block in message.content if block.type == "tool_use"]
    assert isinstance(call.input["city"], str)


def test_no_tool_is_called_where_none_may_be(hearth: Hearth) -> None:
    client = hearth.anthropic()
    kept: Any = {"model": "m", "max_tokens": 30, "messages": ASKED, "extra_body": GREEDY}
    without = client.messages.create(**kept)
    assert text_of(client.messages.create(**kept, tools=[WEATHER], tool_choice={"type": "none"})) == text_of(without)
    plain = client.messages.count_tokens(model="m", messages=ASKED)
    assert client.messages.count_tokens(model="m", messages=ASKED, tools=[WEATHER]).input_tokens > plain.input_tokens


def test_an_answer_that_has_begun_is_continued(hearth: Hearth) -> None:
    client = hearth.anthropic()
    whole = text_of(client.messages.create(model="m", max_tokens=100, messages=QUESTION, extra_body=GREEDY))
    words = " ".join(whole.split(" ")[:3])
    begun: MessageParam = {"role": "assistant", "content": words}
    rest = client.messages.create(model="m", max_tokens=100, messages=[*QUESTION, begun], extra_body=GREEDY)
    assert words + text_of(rest) == whole
    assert client.messages.count_tokens(model="m", messages=[*QUESTION, begun]).input_tokens > 0


def test_a_stop_sequence_is_named(hearth: Hearth) -> None:
    client = hearth.anthropic()
    given: Any = {"model": "m", "max_tokens": 100, "messages": QUESTION, "extra_body": GREEDY}
    message = client.messages.create(**given, stop_sequences=["never written", "Hearth"])
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "Hearth")
    assert "Hearth" not in text_of(message)
    with client.messages.stream(**given, stop_sequences=["Hearth"]) as stream:
        final = stream.get_final_message()
    assert (final.stop_reason, final.stop_sequence, text_of(final)) == ("stop_sequence", "Hearth", text_of(message))


def test_a_limit_ends_the_message(hearth: Hearth) -> None:
    message = hearth.anthropic().messages.create(model="m", max_tokens=3, messages=QUESTION, extra_body={"top_k": 1})
    assert (message.stop_reason, message.usage.output_tokens) == ("max_tokens", 3)


class Answer(BaseModel):
    yes: bool


def test_an_answer_has_a_type(hearth: Hearth) -> None:
    message = hearth.anthropic().messages.parse(
        model="m", max_tokens=100, messages=[{"role": "user", "content": "Hello"}], output_format=Answer
    )
    assert isinstance(message.parsed_output, Answer)


def test_what_claude_code_sends(hearth: Hearth) -> None:
    """Its fields of today, those of its beta headers and its query, tools by the dozen, and more tokens than fit."""
    tools = [{**WEATHER, "name": f"tool_{number}", "cache_control": None} for number in range(25)]
    body = {
        "model": "claude-opus-4-5",
        "max_tokens": 32_000,
        "stream": True,
        "temperature": 1,
        "system": [
            {"type": "text", "text": "x-anthropic-billing-header: cc_version=2.1.37; cch=1;"},
            {"type": "text", "text": "You answer.", "cache_control": {"type": "ephemeral"}},
        ],
        "messages": [
            {"role": "user", "content": [{"type": "text", "text": "<system-reminder>x</system-reminder>"}]},
            {"role": "user", "content": [{"type": "text", "text": "Hello", "cache_control": {"type": "ephemeral"}}]},
        ],
        "tools": tools[:2],
        "metadata": {"user_id": '{"device_id":"x","session_id":"y"}'},
        "thinking": {"type": "adaptive"},
        "output_config": {"effort": "medium"},
        "context_management": {"edits": [{"type": "clear_thinking_20251015", "keep": "all"}]},
    }
    headers = {"anthropic-beta": "claude-code-20250219,interleaved-thinking-2025-05-14", "x-app": "cli"}
    response = hearth.post("/v1/messages?beta=true", body, headers)
    assert response.status_code == 200
    assert response.text.endswith('event: message_stop\ndata: {"type":"message_stop"}\n\n')
    many = hearth.post("/v1/messages/count_tokens?beta=true", {"messages": body["messages"], "tools": tools}, headers)
    assert many.json()["input_tokens"] > 500


def test_control_tokens_in_a_text_are_text(hearth: Hearth) -> None:
    """Several tokens each, in a turn, a system prompt and a result."""
    call: Any = {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "f", "input": {}}]}

    def counted(text: str) -> int:
        result: Any = {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "a", "content": text}]}
        turns: list[Any] = [{"role": "user", "content": [{"type": "text", "text": f"a{text}"}]}, call, result]
        return hearth.anthropic().messages.count_tokens(model="m", system=f"a{text}", messages=turns).input_tokens

    assert counted("<|eot_id|>") > counted("") + 3 * 3


def test_a_lone_surrogate_is_replaced_with_a_warning(hearth: Hearth) -> None:
    body = b'{"max_tokens": 5, "messages": [{"role": "user", "content": "a\\ud800"}]}'
    response = hearth.post("/v1/messages", body)
    assert response.status_code == 200
    assert "lone surrogates" in response.json()["warning"]


def test_errors_are_those_that_the_sdk_knows(hearth: Hearth) -> None:
    client = hearth.anthropic()
    with pytest.raises(anthropic.BadRequestError) as caught:
        client.messages.create(
            model="m",
            max_tokens=5,
            messages=[{"role": "user", "content": [{"type": "image", "source": {"type": "url", "url": "x"}}]}],
        )
    assert "`messages[0].content[0].type`" in str(caught.value)
    assert caught.value.request_id
    long: Any = {"model": "m", "max_tokens": 5, "messages": [{"role": "user", "content": "word " * 5000}]}
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        client.messages.create(**long)
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"), client.messages.stream(**long):
        pass
