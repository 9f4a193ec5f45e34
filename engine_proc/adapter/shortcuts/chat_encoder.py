"""Chats to token ids: the model's template and an `Encoder`, without what vLLM and Transformers do around them.

vLLM's renderer parses each message for media, finds the template, its arguments and its content format anew, and has
Transformers copy what the tokenizer returns: ten times the work of the template and the tokens of a short chat.
"""

import copy
import inspect
import logging
from dataclasses import dataclass
from typing import Any

from transformers import PreTrainedTokenizerBase
from transformers.utils.chat_template_utils import _compile_jinja_template, render_jinja_template
from vllm.renderers import BaseRenderer, ChatParams, TokenizeParams
from vllm.renderers.chat_utils import parse_chat_messages
from vllm.renderers.hf import (
    HfRenderer,
    resolve_chat_template,
    resolve_chat_template_content_format,
    resolve_chat_template_kwargs,
)

from engine_proc.adapter.shortcuts import samples
from engine_proc.adapter.shortcuts.encoder import Encoder

log = logging.getLogger("hearth.shortcuts")

PLAIN_KEYS = {
    "system": {"role", "content", "name"},
    "user": {"role", "content", "name"},
    "assistant": {"role", "content", "name"},
    "tool": {"role", "content", "name", "tool_call_id"},
}
"""By role, the members of a message that vLLM hands to the template as they are, where the content is a text."""
HEADER = "x-anthropic-"
"""A line of a system message that begins with this may be removed by vLLM."""
WRAPPERS = "vllm.tokenizers.hf"
"""The module in which vLLM wraps a tokenizer's methods without changing what they do."""
OF_TRANSFORMERS = frozenset(inspect.signature(PreTrainedTokenizerBase.apply_chat_template).parameters)
"""Arguments that Transformers reads itself: `documents`, `padding` and others."""


@dataclass(slots=True)
class _Template:
    """A chat template as vLLM uses it for the model."""

    text: str
    content_format: str
    """`string` or `openai`: whether a content reaches the template as a text or as a list of parts."""


class ChatEncoder:
    """Encodes chats for one model. Returns None for what only vLLM's renderer can do."""

    def __init__(
        self, renderer: BaseRenderer[Any], encoder: Encoder, template: str | None, content_format: Any
    ) -> None:
        """`template` is the operator's, None: the model's own; `content_format` is vLLM's flag."""
        self._renderer = renderer
        self._encoder = encoder
        self._given = template, content_format
        self.usable = False
        """Whether it agrees with vLLM's renderer on all samples. If not, all chats are left to vLLM."""
        try:
            tokenizer = renderer.get_tokenizer()
            if not _is_ordinary(renderer, tokenizer):
                return
            self._special_tokens = tokenizer.special_tokens_map
            self._plain, self._with_tools = self._resolve(None), self._resolve([samples.TOOL])
            self.usable = all(self._agrees(**chat) for chat in samples.chats())
        except Exception as error:
            log.info("chats are encoded by vLLM's renderer: %s", error)

    def _resolve(self, tools: list[dict[str, Any]] | None) -> _Template | None:
        """Return the template for chats with or without tools. None: the model has none."""
        renderer, (given, given_format) = self._renderer, self._given
        model_config, tokenizer = renderer.model_config, renderer.get_tokenizer()
        text = resolve_chat_template(tokenizer, given, tools, model_config=model_config)
        if text is None:
            return None
        content_format = resolve_chat_template_content_format(
            given, tools, given_format, tokenizer, model_config=model_config
        )
        compiled = _compile_jinja_template(text)  # the one object that Transformers uses from now on
        compiled.globals = dict(compiled.globals)  # Jinja copies a chain of mappings for each chat, key by key
        return _Template(text, content_format)

    def encode(
        self,
        messages: list[dict[str, Any]],
        arguments: dict[str, Any],
        tools: list[dict[str, Any]] | None = None,
        add_generation_prompt: bool = True,
        continue_final_message: bool = False,
    ) -> list[int] | None:
        """Return the token ids of a chat. `arguments` are the template's own. None: leave the chat to vLLM.

        Never raises what a chat is refused for: vLLM's renderer does, with its message.
        """
        if not self.usable:
            return None
        try:
            return self._encode(messages, arguments, tools, add_generation_prompt, continue_final_message)
        except Exception:
            return None

    def _encode(
        self,
        messages: list[dict[str, Any]],
        arguments: dict[str, Any],
        tools: list[dict[str, Any]] | None,
        add_generation_prompt: bool,
        continue_final_message: bool,
    ) -> list[int] | None:
        template = self._plain if tools is None else self._with_tools
        if template is None:
            return None
        conversation = self._conversation(messages, template)
        if not conversation or not OF_TRANSFORMERS.isdisjoint(arguments):
            return None
        if arguments:
            arguments = resolve_chat_template_kwargs(self._renderer.get_tokenizer(), template.text, arguments)
        (text,), _ = render_jinja_template(
            [conversation],
            tools,
            chat_template=template.text,
            continue_final_message=continue_final_message,
            add_generation_prompt=add_generation_prompt,
            **{**self._special_tokens, **arguments},
        )
        return self._encoder.encode(text, False)

    def _conversation(self, messages: list[dict[str, Any]], template: _Template) -> list[Any] | None:
        """Return the messages as vLLM hands them to the template. None: leave them to vLLM."""
        if all(map(_is_plain, messages)):
            return messages if template.content_format == "string" else [_in_parts(message) for message in messages]
        if any(message["role"] == "developer" for message in messages):
            return None
        conversation, media, _ = parse_chat_messages(messages, self._renderer.model_config, template.content_format)
        return None if media else list(conversation)

    def _agrees(self, messages: list[dict[str, Any]], template: dict[str, Any] | None = None, **fields: Any) -> bool:
        """Return whether vLLM's renderer gives the same token ids. A chat that is left to vLLM agrees."""
        arguments, fields, untouched = template or {}, {**_AS_USUAL, **fields}, copy.deepcopy(messages)
        try:
            ids = self._encode(messages, arguments, **fields)
        except Exception:
            ids = None
        if ids is None:
            return True
        text, content_format = self._given
        params = ChatParams(text, content_format, {**arguments, **fields})
        _, (prompt,) = self._renderer.render_chat([untouched], params, TokenizeParams(max_total_tokens=None))
        if ids != prompt["prompt_token_ids"]:
            log.info("chats are encoded by vLLM's renderer: the short way gives other tokens for %r", messages)
        return bool(ids == prompt["prompt_token_ids"])


_AS_USUAL = {"tools": None, "add_generation_prompt": True, "continue_final_message": False}


def _is_ordinary(renderer: BaseRenderer[Any], tokenizer: Any) -> bool:
    """Return whether the model's chats have a Jinja template, which Transformers' own function applies."""
    if not isinstance(renderer, HfRenderer) or renderer.model_config.enable_prompt_embeds:
        return False
    own = (
        kind for kind in type(tokenizer).__mro__ if kind.__module__ != WRAPPERS and "apply_chat_template" in vars(kind)
    )
    return next(own, None) is PreTrainedTokenizerBase


def _is_plain(message: dict[str, Any]) -> bool:
    content, role = message.get("content"), message["role"]
    if not isinstance(content, str) or role not in PLAIN_KEYS or not message.keys() <= PLAIN_KEYS[role]:
        return False
    return not (role == "system" and content.startswith(HEADER)) and isinstance(message.get("name", ""), str)


def _in_parts(message: dict[str, Any]) -> dict[str, Any]:
    if message["role"] == "tool":
        return message
    return {**message, "content": [{"type": "text", "text": message["content"]}]}
