"""OpenAI's JSON shapes for chat and text completions, whole and in chunks."""

import itertools
import os
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas.wire import Delta, TokenLogprob

encode_json = msgspec.json.encode


@dataclass(slots=True)
class Choice:
    """One choice as it grows."""

    text: list[str] = field(default_factory=list)
    tokens: int = 0
    logprobs: list[TokenLogprob] = field(default_factory=list)
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    text_length: int = 0
    """Characters sent so far, for `text_offset`."""

    def add(self, delta: Delta) -> None:
        self.text.append(delta.text)
        self.tokens += len(delta.token_ids) + delta.discarded_tokens
        if delta.logprobs:
            self.logprobs += delta.logprobs
        if delta.finish_reason is not None:
            self.finish_reason, self.stop_reason = delta.finish_reason, delta.stop_reason


class Shape:
    """The reply to one request. Subclasses say how a choice looks."""

    prefix: str
    object: str
    chunk_object: str
    opening: bytes | None = None
    """The JSON of a choice's first chunk, after its index."""

    def __init__(self, model: str, choices: int, *, with_logprobs: bool, include_usage: bool) -> None:
        self.id = f"{self.prefix}-{os.urandom(16).hex()}"
        self.created = int(time.time())
        self.model = model
        self.choices = [Choice() for _ in range(choices)]
        self.with_logprobs = with_logprobs
        self.prompt_tokens = 0
        self.warning: str | None = None
        """For the client: the answer is whole, but something beside it went wrong."""
        head = {"id": self.id, "object": self.chunk_object, "created": self.created, "model": model}
        choices_begin = b"data: " + encode_json(head)[:-1] + b',"choices":['
        self._head = choices_begin + b'{"index":'
        self._last_head = choices_begin + b"],"
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)

    def usage(self) -> dict[str, int]:
        completion = self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + completion,
            "completion_tokens": completion,
        }

    def whole(self) -> bytes:
        """The body of a reply that was not streamed."""
        body = {
            "id": self.id,
            "object": self.object,
            "created": self.created,
            "model": self.model,
            "choices": [self._whole_choice(index, choice) for index, choice in enumerate(self.choices)],
            "usage": self.usage(),
        }
        return encode_json(body if self.warning is None else {**body, "warning": self.warning})

    def opening_chunks(self) -> bytes:
        """What comes before the first text, for every choice."""
        if self.opening is None:
            return b""
        return b"".join(
            b"%b%d%b%b" % (self._head, index, self.opening, self._tail) for index in range(len(self.choices))
        )

    def chunk(self, delta: Delta) -> bytes:
        """The server-sent events of one delta: its text, and its end where it has one."""
        choice = self.choices[delta.index]
        choice.tokens += len(delta.token_ids) + delta.discarded_tokens
        events = b""
        if delta.text or delta.logprobs:
            logprobs = b"null"
            if self.with_logprobs:
                logprobs = encode_json(self._logprobs(delta.logprobs or [], choice.text_length))
                choice.text_length += sum(_length(entry) for entry in delta.logprobs or ())
            events = self._text_chunk(delta.index, encode_json(delta.text), logprobs)
        if delta.finish_reason is not None:
            choice.finish_reason = delta.finish_reason
            events += self._finish_chunk(delta)
        return events

    def usage_chunk(self) -> bytes:
        return self._last_head + b'"usage":' + encode_json(self.usage()) + b"}\n\n"

    def warning_chunk(self) -> bytes:
        """Nothing where there is no warning."""
        if self.warning is None:
            return b""
        return self._last_head + b'"warning":' + encode_json(self.warning) + self._tail

    def _finish(self, delta: Delta) -> bytes:
        stop_reason = b"" if delta.stop_reason is None else b',"stop_reason":' + encode_json(delta.stop_reason)
        return b'"logprobs":null,"finish_reason":%b%b}]' % (encode_json(delta.finish_reason), stop_reason)

    def _whole_choice(self, index: int, choice: Choice) -> dict[str, Any]:
        body = {"index": index, **self._content("".join(choice.text))}
        body["logprobs"] = self._logprobs(choice.logprobs, 0) if self.with_logprobs else None
        body["finish_reason"] = choice.finish_reason
        if choice.stop_reason is not None:
            body["stop_reason"] = choice.stop_reason
        return body

    def _text_chunk(self, index: int, text: bytes, logprobs: bytes) -> bytes:
        raise NotImplementedError

    def _finish_chunk(self, delta: Delta) -> bytes:
        raise NotImplementedError

    def _content(self, text: str) -> dict[str, Any]:
        raise NotImplementedError

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        raise NotImplementedError


class ChatShape(Shape):
    prefix = "chatcmpl"
    object = "chat.completion"
    chunk_object = "chat.completion.chunk"
    opening = b',"delta":{"role":"assistant","content":""},"logprobs":null,"finish_reason":null}]'

    def _text_chunk(self, index: int, text: bytes, logprobs: bytes) -> bytes:
        return b'%b%d,"delta":{"content":%b},"logprobs":%b,"finish_reason":null}]%b' % (
            self._head,
            index,
            text,
            logprobs,
            self._tail,
        )

    def _finish_chunk(self, delta: Delta) -> bytes:
        return b'%b%d,"delta":{},%b%b' % (self._head, delta.index, self._finish(delta), self._tail)

    def _content(self, text: str) -> dict[str, Any]:
        return {"message": {"role": "assistant", "content": text}}

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        return {
            "content": [
                {
                    **_token(entry.text, entry.logprob),
                    "top_logprobs": [_token(text, logprob) for text, _, logprob in entry.top],
                }
                for entry in entries
            ]
        }


class CompletionShape(Shape):
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

    def _content(self, text: str) -> dict[str, Any]:
        return {"text": text}

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        lengths = [_length(entry) for entry in entries]
        return {
            "tokens": [entry.text for entry in entries],
            "token_logprobs": [entry.logprob for entry in entries],
            "top_logprobs": [None if entry.logprob is None else _top(entry) for entry in entries],
            "text_offset": list(itertools.accumulate(lengths, initial=offset))[:-1],
        }


class PlainShape(Shape):
    """The plain API's: one answer, whole, and the history with this turn."""

    prefix = "plain"
    object = chunk_object = "plain"

    def __init__(self, said: list[str], *args: Any, **kwargs: Any) -> None:
        """`said`: user and answer in turns, up to and with this prompt."""
        super().__init__(*args, **kwargs)
        self._said = said

    def whole(self) -> bytes:
        answer = "".join(self.choices[0].text)
        texts = [*self._said, answer]
        return encode_json(
            {
                "response": answer,
                "history": [texts[turn : turn + 2] for turn in range(0, len(texts), 2)],
                "status": 200,
                "time": time.strftime("%Y-%m-%d %H:%M:%S"),
            }
        )


def _length(entry: TokenLogprob) -> int:
    """Characters of the text that are this token's."""
    return 0 if entry.silent else len(entry.text)


def _token(text: str, logprob: float | None) -> dict[str, Any]:
    return {"token": text, "logprob": logprob, "bytes": list(text.encode())}


def _top(entry: TokenLogprob) -> dict[str, float | None]:
    """OpenAI's legacy shape: the alternatives, and the chosen token in any case. Of one text the likeliest stays."""
    alternatives: dict[str, float | None] = {}
    for text, _, logprob in (*entry.top, (entry.text, entry.id, entry.logprob)):
        alternatives.setdefault(text, logprob)
    return alternatives
