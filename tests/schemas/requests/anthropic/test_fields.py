"""The other fields of Anthropic's API: what they become, and what they are refused for."""

from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.requests.anthropic.messages import MessagesSchema
from schemas.requests.parts.json_types import REST_OF_CONTEXT
from tests.schemas.requests.anthropic.bodies import COUNT, HELLO, MESSAGES, TOOL, deep, load, refused_at


def test_sampling() -> None:
    request = load(temperature=0.5, top_p=0.9, top_k=7, stop_sequences=["a", "", "b"], stream=True).request
    sampling = request.params.sampling
    assert (sampling.temperature, sampling.top_p, sampling.top_k, sampling.max_tokens) == (0.5, 0.9, 7, 5)
    assert (sampling.stop, request.params.stream) == (["a", "b"], True)
    assert load(top_p=0, top_k=7).request.params.sampling.top_k == 1
    assert load(max_tokens=REST_OF_CONTEXT).request.params.sampling.max_tokens is None
    assert load(stop_sequences="a").stops == ["a"]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"max_tokens": None}, "max_tokens"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"temperature": 2.1}, "temperature"),
        ({"top_p": 1.1}, "top_p"),
        ({"top_k": -2}, "top_k"),
        ({"stop_sequences": ["a"] * 65}, "stop_sequences"),
        ({"stop_sequences": ["a" * 1001]}, "stop_sequences[0]"),
        ({"stop_sequences": [5]}, "stop_sequences[0]"),
        ({"stream": 1}, "stream"),
        ({"model": 5}, "model"),
        ({"metadata": {"user_id": 5}}, "metadata.user_id"),
        ({"metadata": "x"}, "metadata"),
        ({"service_tier": 5}, "service_tier"),
        ({"cache_control": "x"}, "cache_control"),
        ({"system": 5}, "system"),
        ({"system": [5]}, "system[0]"),
        ({"system": [{"type": "image"}]}, "system[0].type"),
        ({"thinking": {"type": "deep"}}, "thinking.type"),
        ({"thinking": {"type": "enabled", "budget_tokens": -1}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "budget_tokens": "many"}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "display": 5}}, "thinking.display"),
        ({"thinking": True}, "thinking"),
        ({"output_config": {"effort": "some"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type"),
        ({"output_format": {"type": "json_schema"}}, "output_config.format.schema"),
        ({"chat_template_kwargs": {"tokenize": False}}, "chat_template_kwargs.tokenize"),
        ({"chat_template_kwargs": "x"}, "chat_template_kwargs"),
        ({"cache_salt": ""}, "cache_salt"),
        ({"seed": "x"}, "seed"),
        ({"priority": 0.5}, "priority"),
        ({"tools": {}}, "tools"),
        ({"tools": [5]}, "tools[0]"),
        ({"tools": [TOOL] * 129}, "tools"),
        ({"tools": [TOOL, TOOL]}, "tools[1].name"),
        ({"tools": [{"name": "a b"}]}, "tools[0].name"),
        ({"tools": [{**TOOL, "description": 5}]}, "tools[0].description"),
        ({"tools": [{**TOOL, "input_schema": "x"}]}, "tools[0].input_schema"),
        ({"tools": [{**TOOL, "input_schema": {"a": "b" * 200_000}}]}, "tools[0].input_schema"),
        ({"tools": [{**TOOL, "input_schema": deep(100)}]}, "tools[0].input_schema"),
        ({"tools": [{**TOOL, "strict": "yes"}]}, "tools[0].strict"),
        ({"tool_choice": {"type": "any"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "some"}}, "tool_choice.type"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool"}}, "tool_choice.name"),
        ({"tools": [TOOL], "tool_choice": {"type": "tool", "name": "g"}}, "tool_choice"),
        ({"tools": [TOOL], "tool_choice": {"type": "auto", "disable_parallel_tool_use": 1}},
         "tool_choice.disable_parallel_tool_use"),
    ],
)  # fmt: skip
def test_a_wrong_field_is_named(body: dict[str, Any], field: str) -> None:
    assert refused_at(**body) == field


def test_max_tokens_is_required_of_a_message_and_not_of_a_count() -> None:
    with pytest.raises(ValidationError):
        MESSAGES.load({"messages": [HELLO]})
    assert COUNT.load({"messages": [HELLO]}).request.params.messages == [HELLO]


def test_tools_become_functions() -> None:
    more = {"cache_control": {"type": "ephemeral"}, "eager_input_streaming": True, "type": None}
    params = load(tools=[{**TOOL, **more, "strict": True}, {"type": "custom", "name": "g"}]).request.params
    assert params.tools == [
        {
            "type": "function",
            "function": {"name": "f", "description": "Does it.", "parameters": {"type": "object"}, "strict": True},
        },
        {"type": "function", "function": {"name": "g"}},
    ]


def test_a_tool_of_anthropics_servers_is_left_out_with_a_warning() -> None:
    request = load(tools=[TOOL, {"type": "web_search_20250305", "name": "web_search"}]).request
    assert [tool["function"]["name"] for tool in request.params.tools] == ["f"]
    assert "web_search_20250305" in " ".join(request.warnings)


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (None, "auto"),
        ("any", "required"),
        ({"type": "auto"}, "auto"),
        ({"type": "any"}, "required"),
        ({"type": "none"}, "none"),
        ({"type": "tool", "name": "f"}, {"type": "function", "function": {"name": "f"}}),
    ],
)
def test_the_choice_among_tools(given: Any, expected: Any) -> None:
    assert load(tools=[TOOL], tool_choice=given).request.params.tool_choice == expected


@pytest.mark.parametrize(("disabled", "parallel"), [(True, False), (False, True), (None, True)])
def test_parallel_calls(disabled: bool | None, parallel: bool) -> None:
    choice = {"type": "auto", "disable_parallel_tool_use": disabled}
    assert load(tools=[TOOL], tool_choice=choice).request.params.parallel_tool_calls is parallel


@pytest.mark.parametrize(
    ("thinking", "arguments", "shown"),
    [
        (None, {}, True),
        ({"type": "enabled", "budget_tokens": 1024}, {"enable_thinking": True}, True),
        ({"type": "adaptive", "display": "omitted"}, {"enable_thinking": True}, False),
        ({"type": "disabled", "budget_tokens": 0}, {"enable_thinking": False, "reasoning_effort": "none"}, False),
    ],
)
def test_thinking_is_asked_for(thinking: Any, arguments: Any, shown: bool) -> None:
    params = load(thinking=thinking).request.params
    assert (params.chat_template_kwargs, params.include_reasoning) == (arguments, shown)


def test_what_the_output_is_to_be() -> None:
    shape = {"type": "object", "properties": {"a": {"type": "string"}}}
    params = load(output_config={"effort": "high", "format": {"type": "json_schema", "schema": shape}}).request.params
    assert params.chat_template_kwargs == {"reasoning_effort": "high"}
    assert params.sampling.structure is not None
    assert params.sampling.structure.json == shape


def test_the_user_is_cut() -> None:
    assert load(metadata={"user_id": "u" * 100}).request.params.user == "u" * 64
    assert load(metadata={}).request.params.user == load(metadata=None).request.params.user == ""


def test_what_this_server_has_beside_anthropics_fields() -> None:
    params = load(
        thinking={"type": "disabled"},
        chat_template_kwargs={"enable_thinking": True, "x": 1},
        cache_salt="s",
        priority=-1,
        seed=-1,
        min_p=0.1,
        repetition_penalty=1.1,
        presence_penalty=0.5,
        frequency_penalty=-0.5,
        ignore_eos=True,
        add_default_stop=False,
        enable_repeat_stopper=True,
    ).request.params
    assert params.chat_template_kwargs == {"enable_thinking": True, "reasoning_effort": "none", "x": 1}
    assert (params.cache_salt, params.priority) == ("s", -1)
    sampling = params.sampling
    assert (sampling.seed, sampling.min_p, sampling.repetition_penalty) == (-1, 0.1, 1.1)
    assert (sampling.presence_penalty, sampling.frequency_penalty) == (0.5, -0.5)
    assert (sampling.ignore_eos, sampling.add_default_stop, sampling.stop_on_repetition) == (True, False, True)
    nothing = load(chat_template_kwargs=None, cache_salt=None, priority=None, ignore_eos=None).request.params
    assert nothing == load().request.params
    counted = COUNT.load({"messages": [HELLO], "chat_template_kwargs": {"x": 1}})
    assert counted.request.params.chat_template_kwargs == {"x": 1}


def test_the_older_name_of_the_format() -> None:
    shape = {"type": "object", "properties": {"a": {"type": "string"}}}
    older = {"output_format": {"type": "json_schema", "schema": shape}}
    params = load(**older, output_config={"effort": "low"}).request.params
    assert params == load(output_config={"effort": "low", "format": older["output_format"]}).request.params
    assert load(**older, output_config=None).request.params.sampling.structure is not None


STRICT = MessagesSchema(strict_fields=True)


def test_what_is_for_anthropics_servers_alone_is_taken_and_what_is_missed_is_said() -> None:
    body = {"max_tokens": 5, "messages": [HELLO], "context_management": {"edits": []}, "speed": "fast"}
    assert STRICT.load({**body, "output_format": None}).request.warnings == ()
    warned = STRICT.load({**body, "mcp_servers": [{"type": "url"}], "container": None}).request.warnings
    assert warned == ("`mcp_servers` has no effect on this server.",)


def test_unknown_fields_are_ignored_unless_they_are_not_to_be() -> None:
    load(contextmanagement={"edits": []})
    with pytest.raises(ValidationError):
        STRICT.load({"max_tokens": 5, "messages": [HELLO], "contextmanagement": {}})
