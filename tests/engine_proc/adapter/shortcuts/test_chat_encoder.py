"""Chats have the token ids that vLLM's renderer gives them, or are left to it."""

import random
from typing import Any

import pytest
from vllm.renderers import ChatParams, TokenizeParams

from engine_proc.adapter.prompts.rendering import Rendering, Template
from engine_proc.adapter.shortcuts import samples
from engine_proc.adapter.shortcuts.chat_encoder import ChatEncoder
from engine_proc.adapter.shortcuts.encoder import Encoder
from schemas.errors import ApiError
from schemas.wire import Generate

IN_PARTS = (
    "{% for message in messages %}[{{ message.role }}]{% if message.content is string %}{{ message.content }}"
    "{% else %}{% for part in message.content %}{{ part.text }}|{% endfor %}{% endif %}{% endfor %}"
)
"""A template that reads contents as lists of parts."""


@pytest.fixture(scope="module")
def chats(renderer: Any, encoder: Encoder) -> ChatEncoder:
    return ChatEncoder(renderer, encoder, None, "auto")


def by_vllm(renderer: Any, template: str | None, messages: list[dict[str, Any]], **arguments: Any) -> list[int]:
    params = ChatParams(template, "auto", {"add_generation_prompt": True, "continue_final_message": False, **arguments})
    _, (prompt,) = renderer.render_chat([messages], params, TokenizeParams(max_total_tokens=None))
    ids: list[int] = prompt["prompt_token_ids"]
    return ids


def random_chat(draw: random.Random) -> list[dict[str, Any]]:
    """A system message or none, then turns of both sides."""
    texts = [*samples.ODD_TEXTS, *samples.random_texts(200)]
    chat = [{"role": "system", "content": draw.choice(texts)}] if draw.random() < 0.5 else []
    for turn in range(draw.randint(1, 5)):
        chat.append({"role": ("user", "assistant")[turn % 2], "content": draw.choice(texts)})
    return chat


@pytest.mark.parametrize("template", [None, IN_PARTS], ids=["its own template", "a template of parts"])
def test_chats_have_the_ids_that_vllm_gives_them(renderer: Any, encoder: Encoder, template: str | None) -> None:
    chats, draw = ChatEncoder(renderer, encoder, template, "auto"), random.Random(11)
    assert chats.usable
    for _ in range(150):
        messages = random_chat(draw)
        assert chats.encode(messages, {}) == by_vllm(renderer, template, messages), messages


def test_most_of_the_samples_take_the_short_way(chats: ChatEncoder) -> None:
    taken = 0
    for sample in samples.chats():
        arguments = sample.pop("template", {})
        taken += chats.encode(sample.pop("messages"), arguments, **sample) is not None
    assert taken > len(samples.chats()) * 0.8


@pytest.mark.parametrize(
    "arguments", [{"padding": "max_length"}, {"documents": []}, {"tokenize": False}, {"chat_template": "x"}], ids=str
)
def test_arguments_of_transformers_are_left_to_vllm(chats: ChatEncoder, arguments: dict[str, Any]) -> None:
    assert chats.encode([{"role": "user", "content": "a"}], arguments) is None


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "developer", "content": "a"}],
        [{"role": "user", "content": [{"type": "no such part"}]}],
        [{"role": "user", "content": "a"}, {"role": "assistant", "tool_calls": [{"type": "other"}]}],
    ],
    ids=["no message", "a developer", "an unknown part", "an unknown call"],
)
def test_what_only_vllm_can_do_or_refuse_is_left_to_it(chats: ChatEncoder, messages: list[dict[str, Any]]) -> None:
    assert chats.encode(messages, {}) is None


def test_a_template_that_depends_on_more_than_it_is_given_is_not_used(
    renderer: Any, encoder: Encoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever makes the two ways differ: here, special tokens that one of them does not know."""
    monkeypatch.setattr(ChatEncoder, "_conversation", lambda self, messages, template: messages[:1])
    assert not ChatEncoder(renderer, encoder, None, "auto").usable


def test_a_refusal_is_vllms(renderer: Any, encoder: Encoder) -> None:
    template = Template("{{ raise_exception('only short chats') }}")
    for quick in (encoder, None):
        rendering = Rendering(renderer, 8192, 128_256, template, quick)
        with pytest.raises(ApiError, match="only short chats"):
            rendering.render(Generate(id=1, name="test", messages=[{"role": "user", "content": "a"}]))
