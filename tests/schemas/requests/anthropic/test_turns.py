"""The turns of Anthropic's API: the chat that they become, and what they are refused for."""

import json
from typing import Any

import pytest
from marshmallow import ValidationError

from schemas.requests.parts.messages import MAX_CALLS, MAX_MESSAGES, MAX_PARTS
from tests.schemas.requests.anthropic.bodies import (
    COUNT,
    HELLO,
    MESSAGES,
    chat,
    deep,
    load,
    refused_at,
    result,
    said,
    text,
    use,
)

PLAIN = {"type": "text", "media_type": "text/plain", "data": "The sky is blue."}
PDF = {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="}


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


def test_thinking_that_was_omitted_may_come_back_in_any_form() -> None:
    for block in ({"thinking": ""}, {"thinking": None}, {}):
        turn = said("assistant", {"type": "thinking", "signature": "unsigned", **block}, text("Yes."))
        messages = load(HELLO, turn, HELLO).request.params.messages or []
        assert messages[1] == {"role": "assistant", "content": "Yes."}


@pytest.mark.parametrize(
    ("block", "expected"),
    [
        ({"type": "document", "title": "Sky", "source": PLAIN}, "Sky\nThe sky is blue."),
        ({"type": "document", "source": {"type": "content", "content": [text("a"), text("b")]}}, "a\nb"),
        ({"type": "document", "context": "Of 1999.", "source": {"type": "content", "content": "a"}}, "Of 1999.\na"),
        ({"type": "search_result", "source": "x.org", "title": "X", "content": [text("a")]}, "X\nx.org\na"),
    ],
)
def test_documents_of_plain_text_are_text(block: Any, expected: str) -> None:
    assert chat(said("user", block)) == [("user", expected)]
    assert chat(HELLO, said("assistant", use()), said("user", result(content=[block])))[-1] == ("tool", expected)


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
        ([said("user", {"type": "document", "source": {}})], "messages[0].content[0].source.type"),
        ([said("user", {"type": "document", "source": PDF})], "messages[0].content[0].source.type"),
        ([said("user", {"type": "document"})], "messages[0].content[0].source.type"),
        ([said("user", {"type": "document", "title": 5, "source": PLAIN})], "messages[0].content[0].title"),
        ([said("user", {"type": "document", "source": {"type": "text"}})], "messages[0].content[0].source.data"),
        (
            [said("user", {"type": "document", "source": {"type": "content", "content": [{"type": "image"}]}})],
            "messages[0].content[0].source.content[0].type",
        ),
        (
            [said("user", {"type": "search_result", "content": [{"type": "document", "source": PLAIN}]})],
            "messages[0].content[0].content[0].type",
        ),
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
