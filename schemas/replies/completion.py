"""The JSON of text completions, as OpenAI defines it."""

import itertools
from typing import Any

from schemas.replies.choice import Choice
from schemas.replies.shape import Shape
from schemas.replies.token_scores import length, own_bytes
from schemas.wire import Delta, TokenLogprob


class CompletionShape(Shape):
    """The reply to a text completion, with vLLM's `prompt_logprobs` and token ids where requested."""

    prefix = "cmpl"
    object = "text_completion"
    chunk_object = "text_completion"

    def _text_chunk(self, index: int, text: bytes, logprobs: bytes) -> bytes:
        return b'%b%d,"text":%b,"logprobs":%b,"finish_reason":null}]%b' % (
            self._head,
            index,
            text,
            logprobs,
            self._tail,
        )

    def _finish_chunk(self, delta: Delta) -> bytes:
        return b'%b%d,"text":"",%b%b' % (self._head, delta.index, self._finish(delta), self._tail)

    def _content(self, choice: Choice) -> dict[str, Any]:
        return {"text": "".join(choice.text)}

    def _add_extras(self, body: dict[str, Any]) -> None:
        for index, choice in enumerate(self.choices):
            if choice.prompt_scores is not None:
                body["choices"][index]["prompt_logprobs"] = choice.prompt_scores
            if self.with_token_ids and self.prompt_token_ids:
                body["choices"][index]["prompt_token_ids"] = self.prompt_token_ids[index // self._n]

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        lengths = [length(entry) for entry in entries]
        return {
            "tokens": [entry.text for entry in entries],
            "token_logprobs": [entry.logprob for entry in entries],
            "top_logprobs": [None if entry.logprob is None else _alternatives(entry) for entry in entries],
            "text_offset": list(itertools.accumulate(lengths, initial=offset))[:-1],
        }


def _alternatives(entry: TokenLogprob) -> dict[str, float | None]:
    """Return OpenAI's legacy `top_logprobs` of one token: text to log probability, the chosen token always included.

    An alternative that is a part of a character is named by its bytes, as OpenAI has it (`bytes:\\xf0\\x9f`), and one
    whose text another has by its id, as vLLM has it (`token_id:5`).
    """
    named: dict[str, float | None] = {}
    for place, (text, token_id, logprob) in enumerate(entry.top, start=1):
        own = own_bytes(entry, place)
        if token_id == entry.id:
            name = entry.text
        elif own:
            name = "bytes:" + "".join(f"\\x{byte:02x}" for byte in own)
        else:
            name = text
        if token_id != entry.id and (name == entry.text or name in named):
            name = f"token_id:{token_id}"
        named[name] = logprob
    named.setdefault(entry.text, entry.logprob)
    return named
