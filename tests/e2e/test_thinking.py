"""Thinking in Anthropic's API, through Anthropic's SDK: a model that thinks, and vLLM's parser of its reasoning."""

import time
from typing import Any

import pytest
from anthropic.types import Message
from anthropic.types.beta import BetaMessage

from tests.e2e.guarded import Guarded
from tests.harness import until
from tests.sdk_types import check

ASKED: dict[str, Any] = {
    "model": "thoughtful",
    "max_tokens": 200,
    "messages": [{"role": "user", "content": "Who are you?"}],
    "extra_body": {"temperature": 0},
}
ENABLED: Any = {"type": "enabled", "budget_tokens": 1024}


def kinds(message: Any) -> list[str]:
    return [block.type for block in message.content]


def test_what_the_model_thinks_is_a_block(guarded: Guarded) -> None:
    client = guarded.anthropic()
    message = client.messages.create(**ASKED, thinking=ENABLED)
    check(Message, message.to_dict())
    thought, text = message.content
    assert thought.type == "thinking"
    assert thought.thinking.startswith("They ask about")
    assert thought.signature
    assert text.type == "text"
    assert "Hearth" in text.text
    assert "think>" not in text.text
    details: Any = message.usage.output_tokens_details
    assert 0 < details.thinking_tokens < message.usage.output_tokens


def test_a_stream_of_thinking_is_the_whole_in_pieces(guarded: Guarded) -> None:
    client = guarded.anthropic()
    whole = client.messages.create(**ASKED, thinking=ENABLED)
    with client.messages.stream(**ASKED, thinking=ENABLED) as stream:
        events = list(stream)
        final = stream.get_final_message()
    assert [block.to_dict() for block in final.content] == [block.to_dict() for block in whole.content]
    assert final.usage.output_tokens_details == whole.usage.output_tokens_details
    deltas = [event.delta.type for event in events if event.type == "content_block_delta"]
    assert deltas.count("thinking_delta") > 2, "the thinking came in one piece"
    assert list(dict.fromkeys(deltas)) == ["thinking_delta", "signature_delta", "text_delta"]
    starts = [(event.index, event.content_block.type) for event in events if event.type == "content_block_start"]
    assert starts == [(0, "thinking"), (1, "text")]


@pytest.mark.parametrize(
    ("thinking", "expected"),
    [
        ({"type": "adaptive"}, ["thinking", "text"]),
        ({"type": "adaptive", "display": "summarized"}, ["thinking", "text"]),
        ({"type": "enabled", "budget_tokens": 1024, "display": "omitted"}, ["text"]),
        ({"type": "disabled"}, ["text"]),
        (None, ["thinking", "text"]),
    ],
)
def test_thinking_is_taken_as_clients_send_it(guarded: Guarded, thinking: Any, expected: list[str]) -> None:
    client = guarded.anthropic()
    message = client.beta.messages.create(
        **ASKED, thinking=thinking, betas=["interleaved-thinking-2025-05-14", "context-management-2025-06-27"]
    )
    check(BetaMessage, message.to_dict())
    assert kinds(message) == expected
    with client.beta.messages.stream(**ASKED, thinking=thinking) as stream:
        streamed = stream.get_final_message()
    assert [block.to_dict() for block in streamed.content] == [block.to_dict() for block in message.content]


def test_a_model_that_is_not_to_think_does_not(guarded: Guarded) -> None:
    """The template's own way, by `thinking` and by `chat_template_kwargs`: no token is spent."""
    client = guarded.anthropic()
    without: Any = {**ASKED, "extra_body": {"temperature": 0, "chat_template_kwargs": {"enable_thinking": False}}}
    for given in ({**ASKED, "thinking": {"type": "disabled"}}, without):
        message = client.messages.create(**given)
        assert kinds(message) == ["text"]
        details: Any = message.usage.output_tokens_details
        assert details.thinking_tokens == 0
    asked = {name: ASKED[name] for name in ("model", "messages")}
    plain = client.messages.count_tokens(**asked).input_tokens
    closed = client.messages.count_tokens(**asked, thinking={"type": "disabled"}).input_tokens
    more = client.messages.count_tokens(
        **asked, extra_body={"chat_template_kwargs": {"shout": "Hey!"}, "output_config": {"effort": "high"}}
    )
    assert closed > plain
    assert more.input_tokens > plain


def test_what_it_thought_comes_back(guarded: Guarded) -> None:
    """As the SDK keeps it, as Claude Code's older turns have it, and omitted."""
    client = guarded.anthropic()
    first = client.messages.create(**ASKED, thinking=ENABLED)
    asked = {name: ASKED[name] for name in ("model",)}
    again: Any = {"role": "user", "content": [{"type": "text", "text": "And?", "cache_control": {"type": "ephemeral"}}]}

    def counted(*content: Any) -> int:
        turns: Any = [*ASKED["messages"], {"role": "assistant", "content": list(content)}, again]
        return client.messages.count_tokens(**asked, messages=turns, thinking=ENABLED).input_tokens

    thought, text = first.content
    bare = counted(text)
    assert counted(thought, text) > bare
    changed = {"type": "thinking", "thinking": thought.to_dict()["thinking"], "signature": "made-up-elsewhere"}
    assert counted(changed, text) == counted(thought, text)
    assert counted({"type": "thinking", "thinking": "", "signature": "x"}, text) == bare
    assert counted({"type": "redacted_thinking", "data": "x"}, text) == bare
    turns: Any = [*ASKED["messages"], {"role": "assistant", "content": first.content}, again]
    second = client.messages.create(**{**ASKED, "messages": turns}, thinking=ENABLED)
    assert second.stop_reason == "end_turn"


def test_a_limit_in_the_middle_of_a_thought_ends_the_message(guarded: Guarded) -> None:
    client = guarded.anthropic()
    short: Any = {**ASKED, "max_tokens": 3}
    message = client.messages.create(**short, thinking=ENABLED)
    assert (kinds(message), message.stop_reason) == (["thinking"], "max_tokens")
    with client.messages.stream(**short, thinking=ENABLED) as stream:
        assert stream.get_final_message().content == message.content


def test_an_answer_of_a_type_without_a_thought(guarded: Guarded) -> None:
    shape = {"type": "object", "properties": {"yes": {"type": "boolean"}}, "required": ["yes"]}
    form: Any = {"format": {"type": "json_schema", "schema": shape}}
    message = guarded.anthropic().messages.create(**ASKED, thinking={"type": "disabled"}, output_config=form)
    (text,) = message.content
    assert text.type == "text"
    assert text.text.startswith("{")


def test_a_salt_parts_the_cache(guarded: Guarded) -> None:
    """`cache_salt` as in a chat: with another salt the same prompt is computed again."""
    words = f"{time.time()} " * 30

    def cached(**more: Any) -> int:
        asked: Any = {**ASKED, "system": words, "max_tokens": 1, "extra_body": more}
        return guarded.anthropic().messages.create(**asked).usage.cache_read_input_tokens or 0

    assert cached(cache_salt="a") == 0
    until(lambda: cached(cache_salt="a") > 0, 10, "the prompt is cached")
    assert cached(cache_salt="b") == 0
