"""Tool calls of the demo model, through the OpenAI SDK."""

import json
from typing import Any

import openai
import pytest
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam

from tests.harness import Hearth

WEATHER: ChatCompletionToolParam = {
    "type": "function",
    "function": {
        "name": "get_weather",
        "description": "Get the weather of a city",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}
QUESTION: list[ChatCompletionMessageParam] = [{"role": "user", "content": "What is the weather in Paris?"}]
NAMED: Any = {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.field("tools", "messages")
def test_the_model_calls_a_tool_and_uses_its_result(hearth: Hearth) -> None:
    client = hearth.openai()
    first = client.chat.completions.create(model="m", messages=QUESTION, tools=[WEATHER], temperature=0)
    message = first.choices[0].message
    assert first.choices[0].finish_reason == "tool_calls"
    assert message.content is None
    assert message.tool_calls is not None
    (call,) = message.tool_calls
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}

    result: ChatCompletionMessageParam = {
        "role": "tool",
        "tool_call_id": call.id,
        "content": json.dumps({"weather": "sunny", "temperature": 22}),
    }
    messages: Any = [*QUESTION, message, result]
    second = client.chat.completions.create(model="m", messages=messages, tools=[WEATHER], temperature=0)
    assert second.choices[0].finish_reason == "stop"
    assert "sunny" in (second.choices[0].message.content or "")


@pytest.mark.field("tools", "stream")
def test_a_streamed_call_comes_in_one_piece(hearth: Hearth) -> None:
    """For a call that the model does not end is no call, and what is sent cannot be taken back."""
    with hearth.openai().chat.completions.stream(
        model="m", messages=QUESTION, tools=[WEATHER], temperature=0
    ) as stream:
        events = [event.type for event in stream]
        message = stream.get_final_completion().choices[0]
    assert message.finish_reason == "tool_calls"
    assert message.message.tool_calls is not None
    (call,) = message.message.tool_calls
    assert (call.function.name, json.loads(call.function.arguments)) == ("get_weather", {"city": "Paris"})
    assert events.count("tool_calls.function.arguments.delta") == 1


@pytest.mark.field("tools", "max_tokens", "stop")
@pytest.mark.parametrize("choice", ["auto", "required", NAMED], ids=["auto", "required", "named"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize(("end", "reason"), [({"max_tokens": 12}, "length"), ({"stop": [","]}, "stop")], ids=str)
def test_a_call_that_the_model_did_not_end_is_content(
    hearth: Hearth, choice: Any, stream: bool, end: dict[str, Any], reason: str
) -> None:
    body = {"messages": QUESTION, "tools": [WEATHER], "tool_choice": choice, "temperature": 0, **end}
    if stream:
        with hearth.stream("/v1/chat/completions", {**body, "stream": True}) as response:
            lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
        choices = [piece for line in lines[:-1] for piece in json.loads(line)["choices"]]
        content = "".join(piece["delta"].get("content") or "" for piece in choices)
        assert not any(piece["delta"].get("tool_calls") for piece in choices)
        found = choices[-1]["finish_reason"]
    else:
        (answered,) = hearth.post("/v1/chat/completions", body).json()["choices"]
        content, found = answered["message"]["content"], answered["finish_reason"]
        assert "tool_calls" not in answered["message"]
    assert found == reason
    assert content.startswith('{"name": "get_weather"')


@pytest.mark.field("tools")
def test_a_tool_that_this_server_does_not_run_is_left_out(hearth: Hearth) -> None:
    tools = [{"type": "web_search"}, WEATHER]
    reply = hearth.post("/v1/chat/completions", {"messages": QUESTION, "tools": tools, "temperature": 0}).json()
    assert "web_search" in reply["warning"]
    assert reply["choices"][0]["finish_reason"] == "tool_calls"


@pytest.mark.field("tools", "response_format")
@pytest.mark.parametrize("strict", [False, True])
def test_tools_and_a_format_go_together(hearth: Hearth, strict: bool) -> None:
    schema = {"type": "object", "properties": {"mood": {"enum": ["good", "bad"]}}, "required": ["mood"]}
    format_ = {"type": "json_schema", "json_schema": {"name": "mood", "schema": schema}}
    tool = {**WEATHER, "function": {**WEATHER["function"], "strict": strict}}
    fields = {"tools": [tool], "response_format": format_, "temperature": 0, "max_tokens": 60}
    (called,) = hearth.post("/v1/chat/completions", {"messages": QUESTION, **fields}).json()["choices"]
    assert called["finish_reason"] == "tool_calls"
    assert json.loads(called["message"]["tool_calls"][0]["function"]["arguments"]) == {"city": "Paris"}
    fields["tool_choice"] = "none"
    (answered,) = hearth.post("/v1/chat/completions", {"messages": QUESTION, **fields}).json()["choices"]
    assert json.loads(answered["message"]["content"]).keys() == {"mood"}
    for choice in ("required", NAMED):
        fields["tool_choice"] = choice
        (forced,) = hearth.post("/v1/chat/completions", {"messages": QUESTION, **fields}).json()["choices"]
        assert forced["message"]["tool_calls"], choice


@pytest.mark.field("tool_choice")
@pytest.mark.parametrize("parameters", [None, {}, {"required": None}, {"type": "object", "properties": {}}], ids=str)
@pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
def test_forced_arguments_are_an_object(hearth: Hearth, choice: Any, parameters: Any) -> None:
    tool = {"type": "function", "function": {"name": "get_weather", "parameters": parameters}}
    body = {"messages": [{"role": "user", "content": "Hello"}], "tools": [tool], "tool_choice": choice}
    (answered,) = hearth.post("/v1/chat/completions", {**body, "temperature": 0}).json()["choices"]
    if answered["finish_reason"] == "length":
        assert "  " not in answered["message"]["content"]
    else:
        (call,) = answered["message"]["tool_calls"][:1]
        assert isinstance(json.loads(call["function"]["arguments"]), dict)


@pytest.mark.field("tool_choice")
def test_tools_that_may_not_be_called_are_not(hearth: Hearth) -> None:
    reply = hearth.openai().chat.completions.create(
        model="m", messages=QUESTION, tools=[WEATHER], tool_choice="none", temperature=0
    )
    assert reply.choices[0].message.tool_calls is None
    assert reply.choices[0].message.content


@pytest.mark.field("tool_choice")
@pytest.mark.parametrize("choice", ["required", NAMED], ids=["required", "named"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_call_is_forced(hearth: Hearth, choice: Any, stream: bool) -> None:
    """Where the model itself would say hello."""
    body: Any = {
        "model": "m",
        "messages": [{"role": "user", "content": "Hello"}],
        "tools": [{**WEATHER, "function": {**WEATHER["function"], "strict": True}}],
        "tool_choice": choice,
        "temperature": 0,
        "max_tokens": 60,
    }
    if stream:
        with hearth.openai().chat.completions.stream(**body) as chunks:
            (call,) = chunks.get_final_completion().choices[0].message.tool_calls or []
    else:
        reply = hearth.openai().chat.completions.create(**body)
        (call,) = reply.choices[0].message.tool_calls
        assert reply.choices[0].finish_reason == ("tool_calls" if choice == "required" else "stop")
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments).keys() == {"city"}


@pytest.mark.field("parallel_tool_calls")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_two_calls_or_one(hearth: Hearth, stream: bool) -> None:
    """The model is made to write two: no answer is shorter than one call and a half."""

    def cities(**fields: Any) -> list[str]:
        city = {"type": "string", "enum": ["Paris", "Tokyo"]}
        parameters = {"type": "object", "properties": {"city": city}, "required": ["city"]}
        body: Any = {
            "model": "m",
            "messages": QUESTION,
            "tools": [{**WEATHER, "function": {**WEATHER["function"], "parameters": parameters}}],
            "tool_choice": "required",
            "temperature": 0,
            **fields,
        }
        if stream:
            with hearth.openai().chat.completions.stream(**body) as chunks:
                reply = chunks.get_final_completion()
        else:
            reply = hearth.openai().chat.completions.create(**body)
        return [json.loads(call.function.arguments)["city"] for call in reply.choices[0].message.tool_calls or ()]

    assert len(cities(extra_body={"min_tokens": 30, "max_tokens": 200})) > 1
    assert cities(parallel_tool_calls=False) == ["Paris"]


@pytest.mark.field("structured_outputs")
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_structure_of_the_text_is_text(hearth: Hearth, stream: bool) -> None:
    written = '{"name": "get_weather", "parameters": {"city": "Paris"}}'
    body: Any = {"model": "m", "messages": QUESTION, "tools": [WEATHER], "temperature": 0}
    body["extra_body"] = {"structured_outputs": {"choice": [written]}}
    if stream:
        with hearth.openai().chat.completions.stream(**body) as chunks:
            reply = chunks.get_final_completion()
    else:
        reply = hearth.openai().chat.completions.create(**body)
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (written, "stop")
    assert not reply.choices[0].message.tool_calls


@pytest.mark.field("conversation_id")
def test_a_conversation_remembers_calls(hearth: Hearth) -> None:
    fields = {"conversation_id": "tools", "temperature": 0, "tools": [WEATHER]}
    try:
        first = hearth.post("/v1/chat/completions", {"messages": QUESTION, **fields}).json()
        call = first["choices"][0]["message"]["tool_calls"][0]
        result = {"role": "tool", "tool_call_id": call["id"], "content": '{"weather": "rainy", "temperature": 9}'}
        second = hearth.post("/v1/chat/completions", {"messages": [result], **fields}).json()
        assert "rainy" in second["choices"][0]["message"]["content"]
        stored = hearth.get("/v1/conversations/tools").json()["messages"]
        assert [message["role"] for message in stored] == ["user", "assistant", "tool", "assistant"]
        assert stored[1]["tool_calls"] == [call]
        wrong = hearth.post("/v1/chat/completions", {"messages": [{**result, "tool_call_id": "x"}], **fields})
        assert (wrong.status_code, wrong.json()["error"]["param"]) == (400, "messages[0].tool_call_id")
    finally:
        openai.DefaultHttpxClient().delete(f"{hearth.url}/v1/conversations/tools")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"tools": [WEATHER], "tool_choice": {**NAMED, "function": {"name": "fly"}}}, "tool_choice"),
        ({"tools": [{**WEATHER, "function": {"name": f"f{number}"}} for number in range(1000)]}, "tools"),
        ({"messages": [{"role": "tool", "tool_call_id": "a", "content": "b"}]}, "messages[0].tool_call_id"),
        (
            {"tools": [{**WEATHER, "function": {"name": "f", "parameters": {"type": 5}, "strict": True}}]},
            "tools[0].function.parameters.type",
        ),
        ({"tools": [WEATHER], "tool_choice": "required", "white_list_token": ["z"]}, "tools"),
    ],
    ids=["an unknown tool", "a thousand", "no call", "parameters that are no schema", "no token left"],
)
def test_what_cannot_be_called_is_refused(hearth: Hearth, fields: dict[str, Any], param: str) -> None:
    response = hearth.post("/v1/chat/completions", {"messages": QUESTION, **fields})
    assert response.status_code == 400, response.text
    assert response.json()["error"]["param"] == param
