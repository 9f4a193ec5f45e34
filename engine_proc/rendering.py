"""Prompts to token ids, through vLLM's own renderer: the model's chat template and tokenizer."""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from vllm.exceptions import VLLMClientError
from vllm.inputs import EngineInput, TextPrompt, TokensPrompt
from vllm.renderers import BaseRenderer, ChatParams, TokenizeParams

from schemas.errors import context_length_exceeded, invalid
from schemas.wire import Generate

INLINE_CHARS = 4000
"""Texts up to this long are tokenised on the loop: well under a millisecond, less than a hop to a thread and back."""


class Rendering:
    """Renders `Generate`s. Long texts are tokenised in a thread, so that the loop answers pings meanwhile."""

    def __init__(self, renderer: BaseRenderer[Any], max_model_len: int) -> None:
        self._renderer = renderer
        self._max_model_len = max_model_len
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="tokenise")
        # No limit here: vLLM's own messages lack one of the two numbers that the client is owed.
        self._chat_tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=False)
        self._text_tokens = TokenizeParams(max_total_tokens=None, add_special_tokens=True)

    async def render(self, request: Generate) -> list[EngineInput]:
        """One input per prompt (a chat is one prompt).

        Raises `ApiError` (400): the template refuses the messages, or a prompt leaves no room in the context.
        """
        if request.messages is not None:
            field, chars = "messages", sum(len(str(message.get("content"))) for message in request.messages)
            work: Callable[[Generate], list[EngineInput]] = self._chat
        else:
            field, chars = "prompt", sum(len(prompt) for prompt in request.prompts or ())
            work = self._texts
        try:
            if chars <= INLINE_CHARS:
                inputs = work(request)
            else:
                inputs = await asyncio.get_running_loop().run_in_executor(self._pool, work, request)
        except (VLLMClientError, ValueError, TypeError) as error:
            raise invalid(str(error), field) from error
        for rendered in inputs:
            length = len(rendered["prompt_token_ids"])
            if length >= self._max_model_len:
                raise context_length_exceeded(length, self._max_model_len, field)
            if length == 0:
                raise invalid("The prompt is empty: there is no token to begin from.", field)
        return inputs

    def _chat(self, request: Generate) -> list[EngineInput]:
        template = ChatParams(
            chat_template_kwargs={
                "add_generation_prompt": request.add_generation_prompt,
                "continue_final_message": request.continue_final_message,
            }
        )
        _, inputs = self._renderer.render_chat([request.messages], template, self._chat_tokens)
        return list(inputs)

    def _texts(self, request: Generate) -> list[EngineInput]:
        prompts = [
            TextPrompt(prompt=prompt) if isinstance(prompt, str) else TokensPrompt(prompt_token_ids=prompt)
            for prompt in request.prompts or ()
        ]
        return list(self._renderer.render_cmpl(prompts, self._text_tokens))
