"""Bodies of Anthropic's API: the chat that they become, and what they are refused for."""

import json
from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.errors import ApiError
from schemas.requests.anthropic.messages import CountTokensSchema, MessagesRequest, MessagesSchema
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import REST_OF_CONTEXT
from schemas.requests.parts.messages import MAX_CALLS, MAX_MESSAGES, MAX_PARTS
from schemas.requests.reading.body import load as load_body

MESSAGES, COUNT = MessagesSchema(), CountTokensSchema()
HELLO = {"role": "user", "content": "Hello"}
TOOL = {"name": "f", "description": "Does it.", "input_schema": {"type": "object"}}


def text(value: Any) -> dict[str, Any]:
    return {"type": "text", "text": value}


def use(call_id: Any = "a", **more: Any) -> dict[str, Any]:
    return {"type": "tool_use", "id": call_id, "name": "f", "input": {"x": 1}, **more}


def result(call_id: Any = "a", content: Any = "42", **more: Any) -> dict[str, Any]:
    return {"type": "tool_result", "tool_use_id": call_id, "content": content, **more}


def said(role: str, *blocks: Any) -> dict[str, Any]:
    return {"role": role, "content": list(blocks)}


def load(*turns: Any, **body: Any) -> MessagesRequest:
    warnings.begin()
    loaded: MessagesRequest = MESSAGES.load({"max_tokens": 5, "messages": list(turns) or [HELLO], **body})
    loaded.check()
    return loaded


def chat(*turns: Any, **body: Any) -> list[tuple[str, Any]]:
    """The messages that the engine gets: role, and what there is of content, calls and so on."""
    messages = load(*turns, **body).request.params.messages or []
    return [(message["role"], message["content"]) for message in messages]


def refused_at(*turns: Any, **body: Any) -> str:
    """The field that the refusal names."""
    with pytest.raises(ApiError) as caught:
        load_body(MESSAGES, {"max_tokens": 5, "messages": list(turns) or [HELLO], **body}).check()
    assert caught.value.status == 400
    assert caught.value.param is not None
    return caught.value.param


# ---- turns and blocks ------------------------------------------------------------------------------------------


def test_a_system_prompt_is_the_first_message() -> None:
    assert chat(system="Be brief.") == [("system", "Be brief."), ("user", "Hello")]
    parts = [text("Be brief."), text("Be kind.")]
    assert chat(system=[*parts, text("")]) == [("system", parts), ("user", "Hello")]
    for nothing in (None, "", [], [text("")]):
        assert chat(system=nothing) == [("user", "Hello")]


def test_the_line_for_anthropics_accounts_is_left_out_that_differs_from_request_to_request() -> None:
    blocks = [text("x-anthropic-billing-header: cc_version=2.1; cch=0af3;"), text("Be brief.")]
    assert chat(system=blocks) == [("system", "Be brief."), ("user", "Hello")]


def test_what_one_role_says_without_an_interruption_is_one_message() -> None:
    turns = [
        HELLO,
        said("user", text("a"), text("")),
        said("assistant", text("b"), text("c")),
        said("assistant"),
        HELLO,
    ]
    assert chat(*turns) == [("user", [text("Hello"), text("a")]), ("assistant", "bc"), ("user", "Hello")]
    assert chat(said("system", text("b")), HELLO, system="a") == [("system", [text("a"), text("b")]), ("user", "Hello")]


@pytest.mark.parametrize("nothing", [None, "", [], [text("")]])
def test_content_may_be_empty(nothing: Any) -> None:
    turns = [{"role": "user", "content": nothing}, {"role": "assistant", "content": nothing}, HELLO]
    assert chat(*turns) == [("user", ""), ("assistant", ""), ("user", "Hello")]


def test_results_come_before_the_text_wherever_they_stand() -> None:
    calls = said("assistant", text("I look."), use("a"), use("b"))
    answer = said("user", text("And?"), result("b", [text("1"), text("2")]), result("a", None), text("Go on."))
    messages = load(HELLO, calls, answer).request.params.messages or []
    assert messages[1]["content"] == "I look."
    assert messages[1]["tool_calls"] == [
        {"id": name, "type": "function", "function": {"name": "f", "arguments": '{"x":1}'}} for name in ("a", "b")
    ]
    assert messages[2:] == [
        {"role": "tool", "content": "1\n2", "tool_call_id": "b"},
        {"role": "tool", "content": "", "tool_call_id": "a"},
        {"role": "user", "content": [text("And?"), text("Go on.")]},
    ]


@pytest.mark.parametrize(
    ("content", "expected"),
    [("no such file", "Error: no such file"), ("Error: no", "Error: no"), ("", "Error: "), ([text("x")], "Error: x")],
)
def test_the_model_hears_that_a_tool_has_failed(content: Any, expected: str) -> None:
    assert chat(HELLO, said("assistant", use()), said("user", result("a", content, is_error=True)))[-1][1] == expected


def test_a_result_that_is_json_is_its_text() -> None:
    assert chat(HELLO, said("assistant", use()), said("user", result("a", {"ok": True})))[-1][1] == '{"ok": true}'


def test_a_call_without_a_result_and_ids_that_are_missing_are_taken() -> None:
    assert len(chat(HELLO, said("assistant", use()), HELLO)) == 3
    messages = load(HELLO, said("assistant", use(None)), said("user", result(None))).request.params.messages or []
    assert messages[2]["tool_call_id"] == messages[1]["tool_calls"][0]["id"] == "toolu_0"


@pytest.mark.parametrize(
    ("given", "expected"), [(None, {}), ("", {}), ('{"a": 1}', {"a": 1}), ([1], {"INVALID_JSON": "[1]"})]
)
def test_an_input_is_an_object_whatever_the_client_has_kept(given: Any, expected: Any) -> None:
    messages = load(HELLO, said("assistant", use(input=given)), said("user", result())).request.params.messages or []
    assert json.loads(messages[1]["tool_calls"][0]["function"]["arguments"]) == expected


def test_thinking_is_the_messages_reasoning() -> None:
    blocks = [{"type": "thinking", "thinking": "Hm.", "signature": "x"}, {"type": "redacted_thinking", "data": "x"}]
    messages = load(HELLO, said("assistant", *blocks, text("Yes.")), HELLO).request.params.messages or []
    assert messages[1] == {"role": "assistant", "content": "Yes.", "reasoning": "Hm."}


def test_what_anthropics_servers_have_done_is_left_out_with_a_warning() -> None:
    block = {"type": "server_tool_use", "id": "x", "name": "web_search", "input": {}}
    loaded = load(HELLO, said("assistant", block, text("a")), HELLO)
    assert (loaded.request.params.messages or [])[1]["content"] == "a"
    assert loaded.request.warnings == ("Blocks of type 'server_tool_use' were left out.",)


@pytest.mark.parametrize(
    ("last", "continued"), [("Once upon", True), ([text("Once"), text(" upon")], True), ("", False), ([use()], False)]
)
def test_an_assistants_text_that_is_last_is_continued(last: Any, continued: bool) -> None:
    for schema in (MESSAGES, COUNT):
        body = {"messages": [HELLO, {"role": "assistant", "content": last}]}
        params = schema.load(body | ({"max_tokens": 5} if schema is MESSAGES else {})).request.params
        assert (params.continue_final_message, params.add_generation_prompt) == (continued, not continued)
        assert [message["content"] for message in params.messages[1:]] == {
            True: ["Once upon"],
            False: [None] if isinstance(last, list) else [],
        }[continued]


def deep(levels: int) -> Any:
    value: Any = {}
    for _ in range(levels):
        value = {"a": [value]}
    return value


@pytest.mark.parametrize(
    ("turns", "field"),
    [
        ([5], "messages[0]"),
        ([{"role": "wizard", "content": "a"}], "messages[0].role"),
        ([{"role": ["user"], "content": "a"}], "messages[0].role"),
        ([{"content": "a"}], "messages[0].role"),
        ([{"role": "user", "content": 5}], "messages[0].content"),
        ([{"role": "user", "content": text("a")}], "messages[0].content"),
        ([said("user", 5)], "messages[0].content[0]"),
        ([said("user", {"text": "a"})], "messages[0].content[0].type"),
        ([said("user", {"type": {"a": "b"}})], "messages[0].content[0].type"),
        ([said("user", text("a"), {"type": "image", "source": {}})], "messages[0].content[1].type"),
        ([said("user", {"type": "document", "source": {}})], "messages[0].content[0].type"),
        ([said("user", {"type": "hologram"})], "messages[0].content[0].type"),
        ([said("user", use())], "messages[0].content[0].type"),
        ([said("user", text(5))], "messages[0].content[0].text"),
        ([said("user", text(None))], "messages[0].content[0].text"),
        ([said("system", {"type": "image"})], "messages[0].content[0].type"),
        ([HELLO, said("assistant", result())], "messages[1].content[0].type"),
        ([HELLO, said("assistant", use(5))], "messages[1].content[0].id"),
        ([HELLO, said("assistant", use(name=None))], "messages[1].content[0].name"),
        ([HELLO, said("assistant", use(name=""))], "messages[1].content[0].name"),
        ([HELLO, said("assistant", use(name="f" * 257))], "messages[1].content[0].name"),
        ([HELLO, said("assistant", {"type": "thinking", "thinking": 5})], "messages[1].content[0].thinking"),
        ([HELLO, said("user", result(5))], "messages[1].content[0].tool_use_id"),
        ([HELLO, said("user", result(content=[{"type": "image"}]))], "messages[1].content[0].content[0].type"),
        ([HELLO, said("user", result(content=[text([])]))], "messages[1].content[0].content[0].text"),
        ([HELLO, said("user", result(is_error="yes"))], "messages[1].content[0].is_error"),
        ([HELLO, said("user", result())], "messages[1].content[0].tool_use_id"),
        ([HELLO, said("assistant", use("b")), said("user", text("a"), result())], "messages[2].content[1].tool_use_id"),
        ([{"role": "assistant", "content": ""}], "messages"),
        ([HELLO] * (MAX_MESSAGES + 1), "messages"),
        ([said("user", *[text("a")] * (MAX_PARTS + 1))], "messages[0].content"),
        ([said("user", *[text("a")] * MAX_PARTS), HELLO], "messages[1]"),
        ([HELLO, said("assistant", *[use()] * (MAX_CALLS + 1))], f"messages[1].content[{MAX_CALLS}]"),
        ([HELLO, said("assistant", *[use()] * MAX_CALLS), said("assistant", use())], "messages[2]"),
        ([HELLO, said("assistant", use()), said("user", *[result()] * MAX_MESSAGES)], "messages[2]"),
    ],
)
def test_what_cannot_be_meant_is_refused_by_its_place(turns: list[Any], field: str) -> None:
    assert refused_at(*turns) == field


def test_a_system_prompt_counts_in_the_limit_of_messages() -> None:
    turns = [HELLO, {"role": "assistant", "content": "a"}] * (MAX_MESSAGES // 2)
    assert len(load(*turns).request.params.messages or []) == MAX_MESSAGES
    assert refused_at(*turns, system="Be brief.") == "messages"


def test_an_image_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="'image'"):
        load(said("user", {"type": "image", "source": {}}))


@pytest.mark.parametrize("value", ["x", None, {}, 5, []])
def test_messages_are_a_list_that_is_not_empty(value: Any) -> None:
    with pytest.raises(ValidationError):
        MESSAGES.load({"max_tokens": 5, "messages": value})


def test_an_input_that_is_nested_too_deeply_is_the_text_that_it_was() -> None:
    messages = (
        load(HELLO, said("assistant", use(input=deep(100))), said("user", result())).request.params.messages or []
    )
    assert list(json.loads(messages[1]["tool_calls"][0]["function"]["arguments"])) == ["INVALID_JSON"]


# ---- fields ------------------------------------------------------------------------------------------------------


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
        ({"thinking": {"type": "enabled", "budget_tokens": 0}}, "thinking.budget_tokens"),
        ({"thinking": {"type": "enabled", "display": 5}}, "thinking.display"),
        ({"thinking": True}, "thinking"),
        ({"output_config": {"effort": "some"}}, "output_config.effort"),
        ({"output_config": {"format": {"type": "json_schema"}}}, "output_config.format.schema"),
        ({"output_config": {"format": {"type": "xml", "schema": {}}}}, "output_config.format.type"),
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
        ({"type": "disabled"}, {"enable_thinking": False}, False),
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


def test_unknown_fields_are_ignored_unless_they_are_not_to_be() -> None:
    load(context_management={"edits": []}, mcp_servers=[])
    with pytest.raises(ValidationError):
        MessagesSchema(strict_fields=True).load({"max_tokens": 5, "messages": [HELLO], "context_management": {}})
