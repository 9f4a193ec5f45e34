"""What Open Responses asks of a server: its compliance suite's cases over HTTP, written anew, with a scripted engine.

https://www.openresponses.org has the specification. The OpenAI SDK's types are the judges of objects and events; the
members that the specification requires beyond them are listed here.
"""

from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types.responses import Response

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.sdk_types import check, events_of
from tests.webapp.asking import hold

URL = "/v1/responses"
RESPONSE = {
    *("id", "object", "created_at", "completed_at", "status", "incomplete_details", "model", "previous_response_id"),
    *("instructions", "output", "error", "tools", "tool_choice", "truncation", "parallel_tool_calls", "text", "top_p"),
    *("presence_penalty", "frequency_penalty", "top_logprobs", "temperature", "reasoning", "user", "usage"),
    *("max_output_tokens", "max_tool_calls", "store", "background", "service_tier", "metadata", "safety_identifier"),
    "prompt_cache_key",
}
NULLABLE = {
    *("completed_at", "incomplete_details", "previous_response_id", "instructions", "error", "reasoning", "user"),
    *("usage", "max_output_tokens", "max_tool_calls", "safety_identifier", "prompt_cache_key"),
}
USAGE = {"input_tokens", "output_tokens", "total_tokens", "input_tokens_details", "output_tokens_details"}
ITEMS = {
    "message": {"id", "type", "status", "role", "content"},
    "function_call": {"id", "type", "call_id", "name", "arguments", "status"},
    "reasoning": {"id", "type", "summary", "content"},
}
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "The weather of a place",
    "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
}
ASKED_FOR_A_TOOL = {"input": [{"type": "message", "role": "user", "content": "Rain in Rome?"}], "tools": [WEATHER]}


def checked(response: dict[str, Any]) -> dict[str, Any]:
    """Return `response`, which has everything that the specification requires of it."""
    check(Response, response)
    assert response.keys() >= RESPONSE
    assert {name for name in RESPONSE if response[name] is None} <= NULLABLE
    for item in response["output"]:
        assert item.keys() >= ITEMS[item["type"]]
    for tool in response["tools"]:
        assert tool.keys() == {"type", "name", "description", "parameters", "strict"}
    assert response["text"].keys() == {"format", "verbosity"}
    assert response["reasoning"].keys() == {"effort", "summary"}
    if response["usage"] is not None:
        assert response["usage"].keys() == USAGE
    return response


def call_a_tool(engine: FakeEngine, generate: wire.Generate) -> None:
    hold(engine, generate)
    call = wire.ToolCall(0, "call_1", "get_weather", '{"place":"Rome"}')
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [1, 2], "tool_calls", tool_calls=[call])]))


def whole(client: FlaskClient, **body: Any) -> dict[str, Any]:
    response = client.post(URL, json={"model": "fake", **body})
    assert response.status_code == 200, response.text
    return checked(response.get_json())


def streamed(client: FlaskClient, **body: Any) -> list[dict[str, Any]]:
    """Return the events of the stream; every response in them is checked."""
    response = client.post(URL, json={"model": "fake", "stream": True, **body})
    assert response.content_type.startswith("text/event-stream")
    events = events_of(response.text)
    for event in events:
        if "response" in event:
            checked(event["response"])
    return events


@pytest.mark.parametrize(
    "messages",
    [
        [{"type": "message", "role": "user", "content": "Greet me."}],
        [
            {"type": "message", "role": "system", "content": "Rhyme."},
            {"type": "message", "role": "user", "content": "Greet me."},
        ],
        [
            {"type": "message", "role": "user", "content": "I am Ada."},
            {"type": "message", "role": "assistant", "content": "Hello, Ada."},
            {"type": "message", "role": "user", "content": "Who am I?"},
        ],
        [{"type": "message", "role": "user", "content": [{"type": "input_text", "text": "Greet me."}]}],
    ],
    ids=["a message", "a system message", "several turns", "parts"],
)
def test_a_text(served: FlaskClient, messages: Any) -> None:
    response = whole(served, input=messages)

    assert response["status"] == "completed"
    assert [item["type"] for item in response["output"]] == ["message"]
    assert response["completed_at"] >= response["created_at"]


def test_a_stream(served: FlaskClient) -> None:
    events = streamed(served, input="Count.")

    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    assert events[-1]["type"] == "response.completed"
    assert events[-1]["response"]["status"] == "completed"


def test_a_tool(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_generate = call_a_tool
    response = whole(served, **ASKED_FOR_A_TOOL)

    assert [item["type"] for item in response["output"]] == ["function_call"]
    assert response["tools"] == [{**WEATHER, "strict": False}]


def test_a_tool_in_a_stream(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_generate = call_a_tool
    events = streamed(served, **ASKED_FOR_A_TOOL)
    kinds = [event["type"] for event in events]

    assert {"response.function_call_arguments.delta", "response.function_call_arguments.done"} <= set(kinds)
    for kind in ("response.output_item.added", "response.output_item.done"):
        assert "function_call" in [event["item"]["type"] for event in events if event["type"] == kind]


def test_a_conversation_without_a_store(served: FlaskClient, engine: FakeEngine) -> None:
    first = whole(served, input="I am Ada.", store=False)
    whole(
        served, input=[{"role": "user", "content": "I am Ada."}, *first["output"], {"role": "user", "content": "Who?"}]
    )

    asked = engine.messages(wire.Generate)[-1].messages
    assert asked is not None
    assert [message["content"] for message in asked] == ["I am Ada.", "one two", "Who?"]


@pytest.mark.parametrize(
    ("fields", "member", "value"),
    [
        ({"text": {"verbosity": "low"}}, "text", {"format": {"type": "text"}, "verbosity": "low"}),
        (
            {"text": {"format": {"type": "json_object"}}},
            "text",
            {"format": {"type": "json_object"}, "verbosity": "medium"},
        ),
        ({"text": None}, "text", {"format": {"type": "text"}, "verbosity": "medium"}),
        ({"reasoning": {"effort": "low"}}, "reasoning", {"effort": "low", "summary": None}),
        ({"reasoning": {"summary": "auto"}}, "reasoning", {"effort": None, "summary": "auto"}),
        ({"metadata": {"a": "b", "n": 5, "yes": True, "no": None}}, "metadata", {"a": "b", "n": "5", "yes": "true"}),
        ({"truncation": None}, "truncation", "disabled"),
        ({"service_tier": "flex"}, "service_tier", "default"),
        ({"temperature": 0.5}, "temperature", 0.5),
        ({"previous_response_id": ""}, "previous_response_id", None),
        ({"max_output_tokens": -1}, "max_output_tokens", None),
        ({"user": "ada"}, "user", "ada"),
        ({"safety_identifier": "ada"}, "safety_identifier", "ada"),
        ({"prompt_cache_key": "k"}, "prompt_cache_key", "k"),
        ({"max_tool_calls": 3}, "max_tool_calls", 3),
        ({"presence_penalty": 0.5}, "presence_penalty", 0.5),
        ({"frequency_penalty": -1}, "frequency_penalty", -1),
        ({"include": ["reasoning.encrypted_content"]}, "top_logprobs", 0),
        ({"tools": [{"type": "function", "name": "f", "strict": True}]}, "tool_choice", "auto"),
        ({}, "tool_choice", "none"),
    ],
)
def test_a_field_comes_back(served: FlaskClient, fields: dict[str, Any], member: str, value: Any) -> None:
    assert whole(served, input="a", **fields)[member] == value


def test_a_schema_comes_back_whole(served: FlaskClient) -> None:
    asked = {"type": "json_schema", "name": "n", "description": "d", "schema": {"type": "object"}, "strict": True}

    assert whole(served, input="a", text={"format": asked})["text"]["format"] == asked
    bare = {"type": "json_schema", "schema": {"type": "object"}}
    assert whole(served, input="a", text={"format": bare})["text"]["format"] == {
        **bare,
        "name": "response",
        "description": None,
        "strict": False,
    }


def test_the_sampling_parameters_are_the_models_own(served: FlaskClient, engine: FakeEngine) -> None:
    assert isinstance(engine.on_hello, wire.Welcome)
    engine.on_hello.sampling_defaults = {"temperature": 0.6}
    response = whole(served, input="a")

    assert (response["temperature"], response["top_p"]) == (0.6, 1.0)


def test_what_is_cut_off_is_incomplete(served: FlaskClient, engine: FakeEngine) -> None:
    def cut(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one", [1], "length")]))

    engine.on_generate = cut
    response = whole(served, input="a", max_output_tokens=1)

    assert (response["status"], response["completed_at"]) == ("incomplete", None)
    assert response["incomplete_details"] == {"reason": "max_output_tokens"}
    assert response["output"][0]["status"] == "incomplete"
    assert streamed(served, input="a")[-1]["type"] == "response.incomplete"


@pytest.mark.parametrize("stream", [False, True])
def test_an_empty_answer_is_a_message(served: FlaskClient, engine: FakeEngine, stream: bool) -> None:
    def say_nothing(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [1], "stop")]))

    engine.on_generate = say_nothing
    response = streamed(served, input="a")[-1]["response"] if stream else whole(served, input="a")

    assert [part["text"] for item in response["output"] for part in item["content"]] == [""]


@pytest.mark.parametrize("stream", [False, True])
def test_usage_and_log_probabilities(served: FlaskClient, engine: FakeEngine, stream: bool) -> None:
    def think(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        entries = [wire.TokenLogprob(text, number, -0.5, ((text, number, -0.5),)) for number, text in enumerate("ab")]
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [1, 2], reasoning="Hm.", cached_tokens=3)]))
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [3], logprobs=entries[:1])]))
        last = wire.Delta(generate.id, 0, "ab", [4], "stop", logprobs=entries[1:], reasoning_tokens=2)
        engine.send(wire.Deltas(batch=[last]))

    engine.on_generate = think
    fields: Any = {"input": "a", "top_logprobs": 1, "include": ["message.output_text.logprobs"]}
    response = streamed(served, **fields)[-1]["response"] if stream else whole(served, **fields)

    (generate,) = engine.messages(wire.Generate)
    assert generate.sampling.logprobs == 1
    assert response["usage"] == {
        "input_tokens": 7,
        "input_tokens_details": {"cached_tokens": 3, "cache_write_tokens": 0},
        "output_tokens": 4,
        "output_tokens_details": {"reasoning_tokens": 2},
        "total_tokens": 11,
    }
    reasoning, message = response["output"]
    assert reasoning["content"] == [{"type": "reasoning_text", "text": "Hm."}]
    assert [entry["token"] for entry in message["content"][0]["logprobs"]] == ["a", "b"]
