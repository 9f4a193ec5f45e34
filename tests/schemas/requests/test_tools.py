"""Tools, the choice among them, and what the messages tell of calls and results."""

from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.requests.parts.tools import check_results
from tests.schemas.requests.loading import HELLO, chat, refusal

WEATHER = {
    "type": "function",
    "function": {"name": "get_weather", "description": "Get the weather", "parameters": {"type": "object"}},
}
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
        ([{**WEATHER, "type": "web_search"}], {0: ["type"]}),
        ([WEATHER, {"type": "function", "function": {}}], {1: ["function"]}),
        ([tool(name="")], {0: ["function"]}),
        ([tool(name="get weather")], {0: ["function"]}),
        ([tool(name="a" * 65)], {0: ["function"]}),
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
    "arguments", ["", "Paris", "[1]", "5", '{"city": ', "\ud800", "[" * 5000], ids=lambda text: ascii(text)[:12]
)
def test_arguments_are_an_object_in_json(arguments: str) -> None:
    call = {**CALL, "function": {"name": "f", "arguments": arguments}}
    messages = [HELLO, {**CALLS, "tool_calls": [call]}]
    if arguments == "":  # what some clients send for a call without arguments
        chat(messages=messages)
    else:
        errors = refusal(chat, messages=messages)
        assert errors["messages"][1]["tool_calls"][0]["function"].keys() == {"arguments"}


@pytest.mark.parametrize(
    ("messages", "field"),
    [
        ([HELLO, RESULT], "messages[1].tool_call_id"),
        ([HELLO, CALLS, {**RESULT, "tool_call_id": "call_2"}], "messages[2].tool_call_id"),
        ([HELLO, CALLS, {"role": "tool", "content": "sunny"}], "messages[2].tool_call_id"),
        ([HELLO, CALLS, RESULT, HELLO, RESULT], "messages[4].tool_call_id"),
    ],
    ids=["no call", "another call", "no id", "a call of long ago"],
)
def test_a_result_answers_a_call(messages: list[dict[str, Any]], field: str) -> None:
    with pytest.raises(ApiError) as caught:
        check_results(messages, len(messages))

    assert (caught.value.status, caught.value.param) == (400, field)


def test_results_of_several_calls_may_follow_each_other() -> None:
    second = {**CALL, "id": "call_2"}
    both = {**CALLS, "tool_calls": [CALL, second]}

    check_results([HELLO, both, {**RESULT, "tool_call_id": "call_2"}, RESULT], 4)


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
