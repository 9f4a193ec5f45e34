"""Tools, the choice among them, and what the messages tell of calls and results."""

import json
from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.requests.parts.tools import check_results
from tests.schemas.requests.loading import HELLO, chat, refusal, response

WEATHER: dict[str, Any] = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Get the weather", "parameters": {"type": "object"}},
}
FLAT = {"type": "function", **WEATHER["function"]}
NAMED = {"type": "function", "function": {"name": "get_weather"}}
CALL = {"id": "call_1", "type": "function", "function": {"name": "get_weather", "arguments": '{"city": "Paris"}'}}
CALLS = {"role": "assistant", "content": None, "tool_calls": [CALL]}
RESULT = {"role": "tool", "tool_call_id": "call_1", "content": "sunny"}


def tool(**function: Any) -> dict[str, Any]:
    return {"type": "function", "function": {"name": "f", **function}}


def test_tools_reach_the_engine_as_they_are() -> None:
    generate = chat(tools=[WEATHER]).params

    assert generate.tools == [WEATHER]
    assert generate.tool_choice == "auto"
    assert generate.parallel_tool_calls is True


def test_without_tools_none_is_called() -> None:
    assert chat().params.tool_choice == "none"


@pytest.mark.parametrize("choice", ["none", "auto", "required"])
def test_a_choice_by_word(choice: str) -> None:
    assert chat(tools=[WEATHER], tool_choice=choice).params.tool_choice == choice


def test_a_choice_by_name() -> None:
    named = {"type": "function", "function": {"name": "get_weather"}}

    assert chat(tools=[WEATHER], tool_choice={**named, "more": 1}).params.tool_choice == named


@pytest.mark.parametrize(
    ("tools", "path"),
    [
        ([{}], {0: ["function", "type"]}),
        ([WEATHER, {"type": "function", "function": {}}], {1: ["function"]}),
        ([tool(name="")], {0: ["function"]}),
        ([tool(name="get weather")], {0: ["function"]}),
        ([tool(name="a" * 257)], {0: ["function"]}),
        ([{"type": "web_search"}, tool(name="")], {1: ["function"]}),
        ([tool(name="f\n")], {0: ["function"]}),
        ([tool(parameters="{}")], {0: ["function"]}),
        ([tool(parameters=[])], {0: ["function"]}),
        ([tool(strict="yes")], {0: ["function"]}),
        (["get_weather"], {0: ["_schema"]}),
    ],
    ids=repr,
)
def test_a_wrong_tool_is_named_by_its_place(tools: list[Any], path: dict[int, list[str]]) -> None:
    errors = refusal(chat, tools=tools)["tools"]

    assert {index: sorted(inner) for index, inner in errors.items()} == path


@pytest.mark.parametrize("tools", [{}, "get_weather", 5], ids=repr)
def test_tools_are_an_array(tools: Any) -> None:
    assert refusal(chat, tools=tools) == {"tools": ["Expected an array."]}


def test_a_thousand_tools_are_too_many() -> None:
    most = [tool(name=f"f{number}") for number in range(128)]

    assert len(chat(tools=most).params.tools) == 128
    assert refusal(chat, tools=[tool(name=f"f{number}") for number in range(1000)]).keys() == {"tools"}


def test_two_tools_have_two_names() -> None:
    assert refusal(chat, tools=[WEATHER, WEATHER])["tools"].keys() == {1}
    assert refusal(chat, tools=[{"type": "mcp"}, WEATHER, WEATHER])["tools"].keys() == {2}


@pytest.mark.parametrize("name", ["a.b", "mcp.server/tool:x-1_2", "a" * 256])
def test_names_may_be_those_of_other_servers_tools(name: str) -> None:
    assert chat(tools=[tool(name=name)]).params.tools == [tool(name=name)]


@pytest.mark.parametrize("kind", ["web_search", "namespace", "custom", "local_shell", "mcp", "file_search", "x"])
@pytest.mark.parametrize("load", [chat, response], ids=["chat", "responses"])
def test_tools_that_this_server_does_not_run_are_left_out(load: Any, kind: str) -> None:
    found = load(tools=[{"type": kind, "name": "x"}, FLAT])

    assert [tool["function"]["name"] for tool in found.params.tools] == ["get_weather"]
    assert found.warnings == (f"This server does not run tools of type {kind!r}: they were left out.",)
    assert load(tools=[{"type": kind}]).params.tool_choice == "none"
    for wanted in ({"type": kind}, {"type": kind, "name": "x"}):
        assert refusal(load, tools=[{"type": kind}, FLAT], tool_choice=wanted).keys() == {"tool_choice"}


@pytest.mark.parametrize("load", [chat, response], ids=["chat", "responses"])
@pytest.mark.parametrize("spelled", [WEATHER, FLAT], ids=["nested", "flat"])
def test_each_api_takes_the_others_spelling(load: Any, spelled: dict[str, Any]) -> None:
    for choice in ({"type": "function", "name": "get_weather"}, NAMED, {"type": "tool", "name": "get_weather"}):
        params = load(tools=[spelled], tool_choice=choice).params
        assert (params.tools, params.tool_choice) == ([WEATHER], NAMED)
    for word in ("any", {"type": "any"}, {"type": "required"}):
        assert load(tools=[spelled], tool_choice=word).params.tool_choice == "required"


@pytest.mark.parametrize("load", [chat, response], ids=["chat", "responses"])
@pytest.mark.parametrize("mode", ["auto", "required"])
def test_only_allowed_tools_are_offered(load: Any, mode: str) -> None:
    tools = [WEATHER, tool(name="fly"), {"type": "web_search"}]
    for choice in (
        {"type": "allowed_tools", "mode": mode, "tools": [FLAT, {"type": "web_search"}]},
        {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": [WEATHER]}},
    ):
        params = load(tools=tools, tool_choice=choice).params
        assert (params.tools, params.tool_choice) == ([WEATHER], mode)
    assert load(tools=tools, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": []}).params.tools == []
    for wrong in (
        {"mode": mode, "tools": [{"type": "function", "name": "swim"}]},
        {"mode": "required", "tools": []},
        {"mode": "always", "tools": [FLAT]},
        {"mode": mode},
        {"allowed_tools": 5},
    ):
        assert refusal(load, tools=tools, tool_choice={"type": "allowed_tools", **wrong}).keys() == {"tool_choice"}


@pytest.mark.parametrize(
    "choice", ["always", "", 5, {}, {"type": "function"}, {"type": "function", "function": {"name": 5}}], ids=repr
)
def test_a_choice_is_one_of_these(choice: Any) -> None:
    assert refusal(chat, tools=[WEATHER], tool_choice=choice).keys() == {"tool_choice"}


@pytest.mark.parametrize("choice", ["required", {"type": "function", "function": {"name": "get_weather"}}], ids=repr)
def test_a_call_cannot_be_forced_without_tools(choice: Any) -> None:
    assert refusal(chat, tool_choice=choice) == {"tool_choice": ["Requires `tools`."]}


def test_an_unknown_tool_cannot_be_chosen() -> None:
    errors = refusal(chat, tools=[WEATHER], tool_choice={"type": "function", "function": {"name": "fly"}})

    assert errors == {"tool_choice": ["There is no tool named 'fly' in `tools`."]}


def test_tools_are_no_part_of_a_beam_search() -> None:
    assert refusal(chat, tools=[WEATHER], use_beam_search=True).keys() == {"tools"}
    assert chat(tools=[WEATHER], tool_choice="none", use_beam_search=True).params.tool_choice == "none"


def test_calls_and_results_are_kept() -> None:
    generate = chat(messages=[HELLO, {**CALLS, "refusal": None}, RESULT]).params

    assert generate.messages == [HELLO, CALLS, RESULT]


@pytest.mark.parametrize(
    ("arguments", "kept"),
    [
        ('{"city": "Paris"}', {"city": "Paris"}),
        ({"city": "Paris"}, {"city": "Paris"}),
        ('"{\\"city\\": 1}"', {"city": 1}),
        ("", {}),
        (" \n", {}),
        ("null", {}),
        (None, {}),
        ([], {}),
        ("[]", {}),
        ("Paris", {"INVALID_JSON": "Paris"}),
        ("[1]", {"INVALID_JSON": "[1]"}),
        ([1], {"INVALID_JSON": "[1]"}),
        (5, {"INVALID_JSON": "5"}),
        ('{"city": "P', {"INVALID_JSON": '{"city": "P'}),
        ('{"a": "\\ud800"}', {"INVALID_JSON": '{"a": "\\ud800"}'}),
        ("[" * 5000, {"INVALID_JSON": "[" * 5000}),
        ('{"a":' * 70 + "1" + "}" * 70, {"INVALID_JSON": '{"a":' * 70 + "1" + "}" * 70}),
    ],
    ids=lambda value: ascii(value)[:16],
)
def test_arguments_become_an_object_in_json(arguments: Any, kept: dict[str, Any]) -> None:
    """A refusal would end the conversation for good."""
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    (_, message) = chat(messages=[HELLO, {**CALLS, "tool_calls": [call]}]).params.messages or []
    (found,) = message["tool_calls"]

    assert json.loads(found["function"]["arguments"]) == kept
    if kept == {"city": "Paris"} and isinstance(arguments, str):
        assert found["function"]["arguments"] == arguments


def test_absent_arguments_are_none() -> None:
    call = {"function": {"name": "f"}}
    (message,) = chat(messages=[{"role": "assistant", "tool_calls": [call, call]}]).params.messages or []

    assert [(call["id"], call["function"]["arguments"]) for call in message["tool_calls"]] == [
        ("call_0", "{}"),
        ("call_1", "{}"),
    ]


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([HELLO, RESULT], "messages[1].tool_call_id"),
        ([HELLO, CALLS, {**RESULT, "tool_call_id": "call_2"}], "messages[2].tool_call_id"),
        ([HELLO, CALLS, RESULT, {"role": "tool", "content": "sunny"}], "messages[3].tool_call_id"),
        ([RESULT, HELLO, CALLS], "messages[0].tool_call_id"),
    ],
    ids=["no call", "another call", "no id and no call without a result", "before the call"],
)
def test_a_result_answers_a_call(messages: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_results(messages, len(messages))

    assert (caught.value.status, caught.value.param) == (400, field)


def test_results_of_several_calls_may_follow_each_other() -> None:
    second = {**CALL, "id": "call_2"}
    both = {**CALLS, "tool_calls": [CALL, second]}

    check_results([HELLO, both, {**RESULT, "tool_call_id": "call_2"}, RESULT], 4)


@pytest.mark.parametrize("between", [HELLO, {"role": "developer", "content": "Be brief."}, CALLS], ids=repr)
def test_other_messages_may_stand_between_a_call_and_its_result(between: dict[str, Any]) -> None:
    check_results([HELLO, CALLS, between, RESULT, RESULT], 5)


def test_a_result_without_an_id_answers_the_first_call_without_a_result() -> None:
    second = {**CALL, "id": "call_2", "function": {"name": "get_time", "arguments": "{}"}}
    messages = chat(
        messages=[
            {**CALLS, "tool_calls": [CALL, second]},
            {"role": "function", "name": "get_time", "content": "noon"},
            {"role": "tool", "content": "sunny"},
        ]
    ).params.messages
    assert messages is not None
    check_results(messages, 3)

    assert [message["tool_call_id"] for message in messages[1:]] == ["call_2", "call_1"]


def test_a_place_counts_in_the_requests_own_messages() -> None:
    """The first ones are a conversation's, which the client has not sent."""
    with pytest.raises(ApiError) as caught:
        check_results([HELLO, CALLS, {**RESULT, "tool_call_id": "x"}], 1)

    assert caught.value.param == "messages[0].tool_call_id"


def test_effort_reaches_the_template() -> None:
    assert chat(reasoning_effort="low").params.chat_template_kwargs == {
        "reasoning_effort": "low",
        "enable_thinking": True,
    }
    own = chat(reasoning_effort="none", chat_template_kwargs={"enable_thinking": True, "x": 1}).params
    assert own.chat_template_kwargs == {"reasoning_effort": "none", "enable_thinking": True, "x": 1}
    assert refusal(chat, reasoning_effort="much").keys() == {"reasoning_effort"}


@pytest.mark.parametrize("name", ["chat_template", "tokenize", "tools", "add_generation_prompt"])
def test_not_everything_is_the_clients_to_set(name: str) -> None:
    assert refusal(chat, chat_template_kwargs={name: "x"})["chat_template_kwargs"].keys() == {name}
