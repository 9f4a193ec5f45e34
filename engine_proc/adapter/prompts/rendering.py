"""Prompts to token ids, by vLLM's own renderer: the model's chat template and tokenizer."""

import time
from dataclasses import dataclass, field
from typing import Any

from vllm.inputs import EngineInput, TextPrompt, TokensPrompt, tokens_input
from vllm.renderers import BaseRenderer, ChatParams, TokenizeParams

from engine_proc.adapter.prompts.plain_text import PlainText
from engine_proc.adapter.refusals import client_errors
from engine_proc.adapter.shortcuts.chat_encoder import ChatEncoder
from engine_proc.adapter.shortcuts.encoder import Encoder
from schemas.errors import context_length_exceeded, invalid
from schemas.wire import Delta, Generate, Sampling, TokenLogprob

FILL_IN_THE_MIDDLE = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, StarCoder's newer siblings
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek
)
"""Tokens of models that were trained to fill in the middle, by model family: before the prefix, before the suffix,
before the generated middle.
"""

MAX_TOKENIZE_CHARS, MAX_NAMED_CHARS = 500_000, 100_000
"""Characters of a text that is only to be tokenised, and of one whose tokens' texts are asked for too: each token then
is an object in both tiers. What fits the context may be longer.
"""


@dataclass(slots=True)
class Template:
    """The operator's chat template: `--chat-template`, `--chat-template-content-format` and the default arguments."""

    text: str | None = None
    """Jinja. None: the model's own template."""
    content_format: Any = "auto"
    defaults: dict[str, Any] = field(default_factory=dict)
    """Arguments of the template, which a request's `chat_template_kwargs` override."""


@dataclass(slots=True)
class Rendered:
    """One prompt in the engine's form, and the texts that go before (`echo`) and after (`ending`) each answer."""

    input: EngineInput
    echo: str = ""
    ending: str = ""

    @property
    def tokens(self) -> int:
        return len(self.input["prompt_token_ids"])


class Rendering:
    """Renders the prompts of `Generate` messages. For long ones `render` takes long: call it in a thread."""

    def __init__(
        self,
        renderer: BaseRenderer[Any],
        max_model_len: int,
        vocab_size: int,
        template: Template | None = None,
        encoder: Encoder | None = None,
        *,
        control_tokens_in_text: bool = False,
    ) -> None:
        """`template` comes from vLLM's flags. None: the model's own.

        `encoder` encodes texts as the renderer does. None: the renderer does it. `control_tokens_in_text`: the text of
        a control token in a message is that token, as in `vllm serve`.
        """
        self._renderer = renderer
        self._template = template or Template()
        self._encoder = encoder
        self._chats: ChatEncoder | None = None
        if encoder is not None:
            self._chats = ChatEncoder(renderer, encoder, self._template.text, self._template.content_format)
        self._max_model_len = max_model_len
        self._vocab_size = vocab_size
        vocabulary = renderer.get_tokenizer().get_vocab()
        triples = (triple for triple in FILL_IN_THE_MIDDLE if all(token in vocabulary for token in triple))
        self._fill_in_the_middle = next(triples, None)
        self._longest_token = max(map(len, vocabulary))
        """Characters: no text has fewer tokens than its length divided by this."""
        # No limit on the length here: vLLM's message has only one of the two numbers that the error must name.
        self._begin_id: int | None = renderer.get_tokenizer().bos_token_id
        self._with_special_tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=True)
        self._without_special_tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=False)
        self._plain_text = None if control_tokens_in_text else PlainText(renderer.get_tokenizer(), self._turn())

    @property
    def shortcuts(self) -> list[str]:
        """Names of the shortcuts in use, for the engine's status."""
        return ["chats by their template"] if self._chats is not None and self._chats.usable else []

    def warm_up(self) -> None:
        """Encode a text in the calling thread, in which the first one may take 100 ms: the encoder keeps a cache."""
        if self._encoder is not None:
            self._encoder.encode("a", False)

    def render(self, request: Generate) -> list[Rendered]:
        """Return one `Rendered` per prompt (a chat is one prompt).

        Raises `ApiError` (400) if the template refuses the messages, or a prompt is empty or fills the context.
        """
        if request.messages is not None:
            field, render = "messages", self._chat
        else:
            field, render = "prompt", self._texts
        self._check_length(request, field)
        with client_errors(field, ValueError, TypeError):
            prompts = render(request)
        if not prompts:
            raise invalid("There is no prompt.", field)
        for prompt in prompts:
            if request.truncate_prompt_tokens is not None:
                self._truncate(prompt, request)
            if request.tokens_only:
                continue
            if prompt.tokens >= self._max_model_len:
                raise context_length_exceeded(prompt.tokens, self._max_model_len, field)
            if prompt.tokens == 0:
                raise invalid("The prompt is empty: there is no token to begin from.", field)
            if request.cache_salt:
                prompt.input["cache_salt"] = request.cache_salt
        return prompts

    def _check_length(self, request: Generate, field: str) -> None:
        """Refuse what cannot fit the context by its characters, before the time is spent to tokenise it.

        Raises `ApiError` (400). The error's number of tokens is the least that the text can have.
        """
        limit = self._max_model_len * self._longest_token
        if request.tokens_only:
            limit = max(limit, MAX_NAMED_CHARS if request.tokens_only == "named" else MAX_TOKENIZE_CHARS)
        if request.messages is not None:
            chars = sum(map(_characters, request.messages))
        else:
            chars = max((len(prompt) for prompt in request.prompts or () if isinstance(prompt, str)), default=0)
        if chars <= limit:
            return
        if request.tokens_only:
            raise invalid(f"The text has {chars} characters; at most {limit} are tokenised.", field)
        raise context_length_exceeded(chars // self._longest_token, self._max_model_len, field)

    def _truncate(self, prompt: Rendered, request: Generate) -> None:
        """Keep the last `truncate_prompt_tokens` tokens of `prompt`; -1 keeps what the context has room for."""
        wanted = request.truncate_prompt_tokens or 0
        if wanted < 0:
            wanted = max(1, self._max_model_len - max(1, request.sampling.max_tokens or 1))
        if prompt.tokens > wanted:
            ids = prompt.input["prompt_token_ids"] = prompt.input["prompt_token_ids"][-wanted:]
            if prompt.echo and request.messages is None:
                prompt.echo = self._decode(ids, request.sampling)

    def _chat(self, request: Generate) -> list[Rendered]:
        marked = None if self._plain_text is None else self._plain_text.marked(request)
        if marked is not None or request.add_special_tokens:
            prompt = self._chat_as_text(marked or request)
        else:
            prompt = self._usual_chat(request)
        return [Rendered(prompt, _continued_text(request) if request.echo else "")]

    def _usual_chat(self, chat: Generate) -> EngineInput:
        arguments, flags = self._arguments(chat)
        ids = None if self._chats is None else self._chats.encode(chat.messages or [], arguments, **flags)
        if ids is not None:
            return _input(ids)
        _, (prompt,) = self._renderer.render_chat([chat.messages], self._params(chat), self._without_special_tokens)
        return prompt

    def _chat_as_text(self, chat: Generate) -> EngineInput:
        """Render a chat to text, and tokenise the text: where control tokens are marked, or the tokenizer adds some."""
        _, rendered = self._renderer.render_messages(chat.messages, self._params(chat, tokenize=False))
        text, added = rendered["prompt"], bool(chat.add_special_tokens)
        ids = None if self._plain_text is None else self._plain_text.tokenise(text, added)
        return self._encode(text if ids is None else ids, added)

    def _params(self, request: Generate, **more: Any) -> ChatParams:
        arguments, flags = self._arguments(request)
        return ChatParams(self._template.text, self._template.content_format, {**arguments, **flags, **more})

    def _arguments(self, request: Generate) -> tuple[dict[str, Any], dict[str, Any]]:
        """Return the template's own arguments, and those that every template has."""
        flags: dict[str, Any] = {
            "add_generation_prompt": request.add_generation_prompt,
            "continue_final_message": request.continue_final_message,
        }
        if request.tools and request.tool_choice != "none":
            flags["tools"] = request.tools
        return {**self._template.defaults, **request.chat_template_kwargs}, flags

    def _turn(self) -> str:
        """Return a short chat as the template renders it; empty: there is no template, or it refuses the chat."""
        request = Generate(id=0, name="", messages=[{"role": "user", "content": "a"}], add_generation_prompt=False)
        try:
            _, rendered = self._renderer.render_messages(request.messages, self._params(request, tokenize=False))
        except Exception:  # a template may refuse a chat in any way
            return ""
        return str(rendered.get("prompt", ""))

    def _texts(self, request: Generate) -> list[Rendered]:
        return [self._text(prompt, request) for prompt in request.prompts or ()]

    def _text(self, prompt: str | list[int], request: Generate) -> Rendered:
        fill = self._fill_in_the_middle if request.suffix else None
        text = ""
        if isinstance(prompt, str):
            text = prompt
        else:
            self._check_vocabulary(prompt)
            if fill or request.echo:
                text = self._decode(prompt, request.sampling)
        if fill:
            prompt = f"{fill[0]}{text}{fill[1]}{request.suffix}{fill[2]}"
        rendered = self._encode(prompt, request.add_special_tokens is not False)
        return Rendered(rendered, text if request.echo else "", "" if fill else request.suffix)

    def _encode(self, prompt: str | list[int], add_special_tokens: bool) -> EngineInput:
        """Return a prompt in the engine's form. A begin of text that its text has is not added once more."""
        is_text = isinstance(prompt, str)
        if self._encoder is not None:
            rendered = _input(self._encoder.encode(prompt, add_special_tokens) if isinstance(prompt, str) else prompt)
        else:
            tokens = self._with_special_tokens if add_special_tokens else self._without_special_tokens
            to_render = TextPrompt(prompt=prompt) if is_text else TokensPrompt(prompt_token_ids=prompt)
            (rendered,) = self._renderer.render_cmpl([to_render], tokens)
        ids = rendered["prompt_token_ids"]
        if add_special_tokens and is_text and ids[:2] == [self._begin_id] * 2:
            rendered["prompt_token_ids"] = ids[1:]
        return rendered

    def tokens_delta(self, prompt: Rendered, request: Generate) -> Delta:
        """Return the one delta that answers a request for the prompt's tokens (`tokens_only`)."""
        ids = prompt.input["prompt_token_ids"]
        delta = Delta(request.id, 0, "", [], "stop")
        tokenizer = self._renderer.get_tokenizer()
        if request.tokens_only == "text":
            delta.text = tokenizer.decode(ids)
        elif request.tokens_only == "named":
            names = tokenizer.convert_ids_to_tokens(ids)
            delta.logprobs = [TokenLogprob(name, token_id, None) for name, token_id in zip(names, ids, strict=True)]
        return delta

    def _check_vocabulary(self, token_ids: list[int]) -> None:
        highest = max(token_ids, default=0)
        if highest >= self._vocab_size:
            raise invalid(f"Token id {highest} is outside the vocabulary of {self._vocab_size} tokens.", "prompt")

    def _decode(self, token_ids: list[int], sampling: Sampling) -> str:
        text: str = self._renderer.get_tokenizer().decode(token_ids, skip_special_tokens=sampling.skip_special_tokens)
        return text


def _input(token_ids: list[int]) -> EngineInput:
    """Return what vLLM's renderer returns for a prompt of these tokens."""
    engine_input: EngineInput = tokens_input(token_ids)
    engine_input["arrival_time"] = time.time()
    return engine_input


def _continued_text(request: Generate) -> str:
    """Return what a chat's `echo` repeats: the content of a last message by the assistant, else nothing."""
    last = (request.messages or [{}])[-1]
    content = last.get("content") or ""
    if last.get("role") != "assistant":
        return ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _characters(message: dict[str, Any]) -> int:
    """Return how many characters of a message the template is sure to repeat."""
    content = message.get("content") or ""
    calls = sum(len(call["function"]["arguments"]) for call in message.get("tool_calls") or ())
    if isinstance(content, str):
        return len(content) + calls
    return sum(len(part.get("text", "")) for part in content if isinstance(part, dict)) + calls
