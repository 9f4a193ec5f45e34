"""The body of a chat completion: its messages, and the fields that only it has."""

from typing import Any

import pytest

from schemas.requests.parts.messages import enforce
from tests.schemas.requests.loading import HELLO, chat, refusal

CALL = {"id": "c1", "type": "function", "function": {"name": "weather", "arguments": "{}"}}
PARTS = [{"type": "text", "text": "Hello"}, {"type": "text", "text": ""}]


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant", "tool"])
def test_every_role_of_openai_is_taken(role: str) -> None:
    messages = [{"role": role, "content": "x"}]

    assert chat(messages=messages).params.messages == messages


@pytest.mark.parametrize(
    ("role", "message"),
    [
        ("wizard", "Expected one of system, developer, user, assistant, tool."),
        ("User", "Expected one of system, developer, user, assistant, tool."),
        (5, "Expected a string."),
    ],
)
def test_any_other_role_is_refused(role: Any, message: str) -> None:
    assert refusal(chat, messages=[HELLO, {"role": role, "content": "x"}]) == {"messages": {1: {"role": [message]}}}


def test_a_role_is_required() -> None:
    assert refusal(chat, messages=[{"content": "x"}])["messages"][0].keys() == {"role"}


@pytest.mark.parametrize("content", ["", "Hello", PARTS], ids=["empty", "text", "parts"])
def test_content_is_text_or_text_parts(content: Any) -> None:
    messages = chat(messages=[{"role": "user", "content": content}]).params.messages

    assert messages == [{"role": "user", "content": content}]


def test_a_text_part_keeps_nothing_but_its_text() -> None:
    part = {"type": "text", "text": "Hello", "cache_control": {}}
    messages = chat(messages=[{"role": "user", "content": [part]}]).params.messages

    assert messages == [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]


@pytest.mark.parametrize("content", [5, True, {}], ids=repr)
def test_content_that_is_neither_is_refused(content: Any) -> None:
    errors = refusal(chat, messages=[HELLO, {"role": "user", "content": content}])

    assert errors == {"messages": {1: {"content": ["Expected a string or an array of text parts."]}}}


@pytest.mark.parametrize(
    ("part", "where"),
    [
        (5, ["Expected an object."]),
        ({"text": "Hello"}, {"type": ["This server accepts text only, not None."]}),
        ({"type": "image_url", "image_url": {}}, {"type": ["This server accepts text only, not 'image_url'."]}),
        ({"type": "text"}, {"text": ["Expected a string."]}),
        ({"type": "text", "text": 5}, {"text": ["Expected a string."]}),
    ],
    ids=["a bare number", "no type", "an image", "no text", "a number"],
)
def test_a_part_that_is_no_text_is_named_by_its_place(part: Any, where: Any) -> None:
    errors = refusal(chat, messages=[{"role": "user", "content": [PARTS[0], part]}])

    assert errors == {"messages": {0: {"content": {1: where}}}}


@pytest.mark.parametrize("content", [{}, {"content": None}], ids=["left out", "null"])
def test_an_assistant_that_calls_tools_needs_no_content(content: dict[str, None]) -> None:
    messages = chat(messages=[HELLO, {"role": "assistant", "tool_calls": [CALL], **content}]).params.messages

    assert messages is not None
    assert messages[1] == {"role": "assistant", "tool_calls": [CALL], "content": None}


@pytest.mark.parametrize(
    "message",
    [
        {"role": "user", "tool_calls": [CALL]},
        {"role": "system"},
        {"role": "assistant", "content": 5},
        {"role": "tool", "content": [{"type": "image_url"}]},
    ],
    ids=["a user", "a system message", "a number", "an image"],
)
def test_any_other_message_needs_content(message: dict[str, Any]) -> None:
    assert refusal(chat, messages=[message])["messages"][0].keys() == {"content"}


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ({"role": "assistant"}, ""),
        ({"role": "assistant", "content": None, "tool_calls": [], "audio": None}, ""),
        ({"role": "assistant", "content": []}, ""),
        ({"role": "assistant", "content": None, "refusal": "No."}, "No."),
        ({"role": "assistant", "content": "Hi", "refusal": None}, "Hi"),
        ({"role": "assistant", "content": [{"type": "refusal", "refusal": "No."}]}, [{"type": "text", "text": "No."}]),
        ({"role": "user", "content": []}, ""),
        ({"role": "user", "content": None}, ""),
        ({"role": "system", "content": []}, ""),
        ({"role": "developer", "content": None}, ""),
        (
            {"role": "user", "content": ["a", {"type": "text", "text": "b"}]},
            [{"type": "text", "text": t} for t in "ab"],
        ),
        ({"role": "user", "content": [{"type": "input_text", "text": "a"}]}, [{"type": "text", "text": "a"}]),
        ({"role": "tool", "tool_call_id": "c1"}, ""),
        ({"role": "tool", "tool_call_id": "c1", "content": None}, ""),
        ({"role": "tool", "tool_call_id": "c1", "content": []}, ""),
        ({"role": "tool", "tool_call_id": "c1", "content": {"a": "é"}}, '{"a": "é"}'),
        ({"role": "tool", "tool_call_id": "c1", "content": 22.5}, "22.5"),
        ({"role": "tool", "tool_call_id": "c1", "content": [1, {"a": None}]}, '[1, {"a": null}]'),
        ({"role": "function", "name": "f", "content": False}, "false"),
    ],
    ids=str,
)
def test_content_is_taken_as_clients_keep_it(given: dict[str, Any], kept: Any) -> None:
    (message,) = chat(messages=[given]).params.messages or []

    assert message["content"] == kept
    assert "tool_calls" not in message


@pytest.mark.parametrize("content", [{}, {"content": ""}, {"content": []}, {"content": None}], ids=str)
def test_a_call_of_the_older_api_is_a_call(content: dict[str, Any]) -> None:
    older = {"role": "assistant", "function_call": {"name": "weather", "arguments": '{"a": 1}'}, **content}
    (message,) = chat(messages=[older]).params.messages or []

    assert message["content"] is None
    assert message["tool_calls"] == [
        {"id": "call_0", "type": "function", "function": {"name": "weather", "arguments": '{"a": 1}'}}
    ]


def test_a_custom_call_is_a_call_with_its_input() -> None:
    call = {"id": "c1", "type": "custom", "custom": {"name": "patch", "input": "*** Begin"}}
    (message,) = chat(messages=[{"role": "assistant", "tool_calls": [call]}]).params.messages or []

    assert message["tool_calls"][0]["function"] == {"name": "patch", "arguments": '{"input":"*** Begin"}'}


def test_reasoning_has_two_names() -> None:
    for name in ("reasoning", "reasoning_content"):
        (message,) = chat(messages=[{"role": "assistant", "content": "Hi", name: "Hm."}]).params.messages or []
        assert message == {"role": "assistant", "content": "Hi", "reasoning": "Hm."}


def test_what_else_a_message_has_is_kept_where_it_is_known() -> None:
    answer = {"role": "tool", "content": "sunny", "tool_call_id": "c1", "name": "weather"}

    assert chat(messages=[HELLO, {**answer, "refusal": None}]).params.messages == [HELLO, answer]


@pytest.mark.parametrize(
    ("messages", "message"),
    [
        ([], "Expected at least one message."),
        ({}, "Expected an array of messages."),
        ("Hello", "Expected an array of messages."),
    ],
    ids=repr,
)
def test_messages_are_a_list_of_at_least_one(messages: Any, message: str) -> None:
    assert refusal(chat, messages=messages) == {"messages": [message]}


@pytest.mark.parametrize("message", ["Hello", None, 5, ["user", "Hello"]], ids=repr)
def test_a_message_is_an_object(message: Any) -> None:
    assert refusal(chat, messages=[HELLO, message])["messages"].keys() == {1}


def test_the_rest_of_the_context_is_the_default_length() -> None:
    assert chat().params.sampling.max_tokens is None


def test_the_newer_name_of_max_tokens_is_stronger() -> None:
    assert chat(max_tokens=5, max_completion_tokens=9).params.sampling.max_tokens == 9
    assert chat(max_tokens=5, max_completion_tokens=None).params.sampling.max_tokens == 5


@pytest.mark.parametrize(
    ("body", "alternatives"),
    [
        ({}, None),
        ({"logprobs": False}, None),
        ({"logprobs": True}, 0),
        ({"logprobs": True, "top_logprobs": 0}, 0),
        ({"logprobs": True, "top_logprobs": 5}, 5),
    ],
    ids=repr,
)
def test_logprobs_become_a_number_of_alternatives(body: dict[str, Any], alternatives: int | None) -> None:
    request = chat(**body)

    assert request.params.sampling.logprobs == alternatives
    assert request.logprobs is (alternatives is not None)


@pytest.mark.parametrize("logprobs", [False, None])
def test_alternatives_need_logprobs(logprobs: bool | None) -> None:
    errors = refusal(chat, logprobs=logprobs, top_logprobs=2)

    assert errors == {"top_logprobs": ["Requires `logprobs`: true."]}


def test_the_template_opens_the_answer_unless_told_otherwise() -> None:
    generate = chat().params

    assert (generate.add_generation_prompt, generate.continue_final_message) == (True, False)
    assert chat(add_generation_prompt=False).params.add_generation_prompt is False


def test_the_last_message_is_continued() -> None:
    generate = chat(continue_final_message=True, add_generation_prompt=False).params

    assert (generate.add_generation_prompt, generate.continue_final_message) == (False, True)


@pytest.mark.parametrize("flag", [{}, {"add_generation_prompt": None}], ids=["left out", "null"])
def test_a_message_that_is_continued_opens_no_answer(flag: dict[str, None]) -> None:
    assert chat(continue_final_message=True, **flag).params.add_generation_prompt is False


def test_an_answer_is_not_both_opened_and_continued() -> None:
    errors = refusal(chat, continue_final_message=True, add_generation_prompt=True)

    assert errors == {"continue_final_message": ["Cannot be combined with `add_generation_prompt`: true."]}


@pytest.mark.parametrize("value", [1.5, True, [1], {}], ids=repr)
def test_a_conversation_id_is_an_integer_or_a_string(value: Any) -> None:
    assert refusal(chat, conversation_id=value) == {"conversation_id": ["Expected an integer or a string."]}


@pytest.mark.parametrize(
    ("value", "name"),
    [(42, "42"), ("42", "42"), (0, "0"), (-1, "-1"), ("字" * 255, "字" * 255), (None, None)],
    ids=["42", "digits", "zero", "below zero", "the longest", "null"],
)
def test_a_conversation_has_one_name_for_a_number_and_its_digits(value: Any, name: str | None) -> None:
    assert chat(conversation_id=value).conversation_id == name


@pytest.mark.parametrize(
    "value", ["", "a" * 256, "a\nb", "\x00", 10**255], ids=["empty", "long", "lines", "NUL", "huge"]
)
def test_a_conversation_id_is_short_and_printable(value: Any) -> None:
    errors = refusal(chat, conversation_id=value)

    assert errors == {"conversation_id": ["Expected 1 to 255 printable characters."]}


@pytest.mark.parametrize(
    ("first", "enforced"),
    [
        ({"role": "system", "content": "Be kind."}, {"role": "system", "content": "Be kind.\nBe brief."}),
        ({"role": "developer", "content": "Be kind."}, {"role": "developer", "content": "Be kind.\nBe brief."}),
        (
            {"role": "system", "content": [{"type": "text", "text": "Be kind."}]},
            {
                "role": "system",
                "content": [{"type": "text", "text": "Be kind."}, {"type": "text", "text": "Be brief."}],
            },
        ),
    ],
    ids=["system", "developer", "parts"],
)
def test_a_forced_prompt_joins_the_system_message(first: dict[str, Any], enforced: dict[str, Any]) -> None:
    assert enforce([first, HELLO], "Be brief.") == [enforced, HELLO]


def test_a_forced_prompt_makes_a_system_message_where_there_is_none() -> None:
    assert enforce([HELLO], "Be brief.") == [{"role": "system", "content": "Be brief."}, HELLO]


@pytest.mark.parametrize("instruction", ["", None])
def test_an_empty_forced_prompt_adds_nothing(instruction: str | None) -> None:
    assert enforce([HELLO], instruction) == [HELLO]


def test_a_forced_prompt_is_kept_until_the_messages_are_complete() -> None:
    request = chat(force_prompt="Be brief.")

    assert request.force_prompt == "Be brief."
    assert request.params.messages == [HELLO]


def test_enforcing_leaves_the_given_messages_as_they_are() -> None:
    messages: list[dict[str, Any]] = [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, HELLO]
    enforce(messages, "Be brief.")

    assert messages == [{"role": "system", "content": [{"type": "text", "text": "Be kind."}]}, HELLO]


def test_nulls_of_a_message_are_left_out() -> None:
    given = {"role": "assistant", "content": "Hi", "name": None, "tool_calls": None, "refusal": None}
    assert chat(messages=[given]).params.messages == [{"role": "assistant", "content": "Hi"}]


def test_a_request_cannot_bring_a_template() -> None:
    assert "template" in refusal(chat, chat_template="{{ 1 }}")["chat_template"][0]
    assert chat(chat_template=None).params.messages
