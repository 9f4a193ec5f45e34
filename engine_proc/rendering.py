"""Prompts to token ids, through vLLM's own renderer: the model's chat template and tokenizer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from vllm.exceptions import VLLMClientError
from vllm.inputs import EngineInput, TextPrompt, TokensPrompt
from vllm.renderers import BaseRenderer, ChatParams, TokenizeParams

from schemas.errors import context_length_exceeded, invalid
from schemas.wire import Generate, Sampling

INLINE_CHARS = 4000
"""Texts up to this long are tokenised on the loop: well under a millisecond, less than a hop to a thread and back."""


FILL_IN_THE_MIDDLE = (
    ("<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"),  # Qwen, StarCoder's newer siblings
    ("<fim_prefix>", "<fim_suffix>", "<fim_middle>"),  # StarCoder
    ("▁<PRE>", "▁<SUF>", "▁<MID>"),  # Code Llama
    ("<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"),  # DeepSeek
)
"""Tokens that models were trained with to write what stands between a prefix and a suffix, in the order of use."""


@dataclass(slots=True)
class Rendered:
    """One prompt as the engine takes it, and the text that goes before and after its answers."""

    input: EngineInput
    echo: str = ""
    ending: str = ""

    @property
    def tokens(self) -> int:
        return len(self.input["prompt_token_ids"])


class Rendering:
    """Renders `Generate`s. Long texts are tokenised in a thread, so that the loop answers pings meanwhile."""

    def __init__(self, renderer: BaseRenderer[Any], max_model_len: int, vocab_size: int) -> None:
        self._renderer = renderer
        self._max_model_len = max_model_len
        self._vocab_size = vocab_size
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise")
        vocabulary = renderer.get_tokenizer().get_vocab()
        triples = (triple for triple in FILL_IN_THE_MIDDLE if all(token in vocabulary for token in triple))
        self._fill_in_the_middle = next(triples, None)
        # No limit here: vLLM's own messages lack one of the two numbers that the client is owed.
        self._chat_tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=False)
        self._text_tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=True)

    async def render(self, request: Generate) -> list[Rendered]:
        """One for each prompt (a chat is one prompt).

        Raises `ApiError` (400): the template refuses the messages, or a prompt leaves no room in the context.
        """
        if request.messages is not None:
            field, chars = "messages", sum(len(str(message.get("content"))) for message in request.messages)
            work: Callable[[Generate], list[Rendered]] = self._chat
        else:
            field, chars = "prompt", sum(len(prompt) for prompt in request.prompts or ())
            work = self._texts
        try:
            if chars <= INLINE_CHARS:
                prompts = work(request)
            else:
                prompts = await asyncio.get_running_loop().run_in_executor(self._pool, work, request)
        except (VLLMClientError, ValueError, TypeError) as error:
            raise invalid(str(error), field) from error
        if not prompts:
            raise invalid("There is no prompt.", field)
        for prompt in prompts:
            if prompt.tokens >= self._max_model_len:
                raise context_length_exceeded(prompt.tokens, self._max_model_len, field)
            if prompt.tokens == 0:
                raise invalid("The prompt is empty: there is no token to begin from.", field)
            if request.cache_salt:
                prompt.input["cache_salt"] = request.cache_salt
        return prompts

    def _chat(self, request: Generate) -> list[Rendered]:
        template = ChatParams(
            chat_template_kwargs={
                "add_generation_prompt": request.add_generation_prompt,
                "continue_final_message": request.continue_final_message,
            }
        )
        _, (prompt,) = self._renderer.render_chat([request.messages], template, self._chat_tokens)
        return [Rendered(prompt, _last_words(request) if request.echo else "")]

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
        given: TextPrompt | TokensPrompt
        if fill:
            given = TextPrompt(prompt=f"{fill[0]}{text}{fill[1]}{request.suffix}{fill[2]}")
        elif isinstance(prompt, str):
            given = TextPrompt(prompt=text)
        else:
            given = TokensPrompt(prompt_token_ids=prompt)
        (rendered,) = self._renderer.render_cmpl([given], self._text_tokens)
        return Rendered(rendered, text if request.echo else "", "" if fill else request.suffix)

    def _check_vocabulary(self, token_ids: list[int]) -> None:
        highest = max(token_ids, default=0)
        if highest >= self._vocab_size:
            raise invalid(f"Token id {highest} is outside the vocabulary of {self._vocab_size} tokens.", "prompt")

    def _decode(self, token_ids: list[int], sampling: Sampling) -> str:
        text: str = self._renderer.get_tokenizer().decode(token_ids, skip_special_tokens=sampling.skip_special_tokens)
        return text


def _last_words(request: Generate) -> str:
    """What a chat's `echo` repeats: the last message's content, where it is the assistant's."""
    last = (request.messages or [{}])[-1]
    content = last.get("content") or ""
    if last.get("role") != "assistant":
        return ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)
