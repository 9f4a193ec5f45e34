"""What OpenAI's JSON of chat and text completions have in common, whole and in chunks."""

import os
import time
from dataclasses import dataclass, field
from typing import Any

import msgspec

from schemas.errors import ApiError
from schemas.wire import Delta, TokenLogprob, ToolCall

encode_json = msgspec.json.encode
DONE = b"data: [DONE]\n\n"


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
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob] | None = None

    def add(self, delta: Delta) -> None:
        self.tokens += len(delta.token_ids) + delta.discarded_tokens
        self.token_ids += delta.token_ids
        self.prompt_logprobs = self.prompt_logprobs or delta.prompt_logprobs
        if delta.logprobs:
            self.logprobs += delta.logprobs
        if delta.finish_reason is not None:
            self.finish_reason, self.stop_reason = delta.finish_reason, delta.stop_reason
        self.add_content(delta)

    def add_content(self, delta: Delta) -> None:
        """Keep what is said in it."""
        self.text.append(delta.text)
        if delta.reasoning:
            self.reasoning.append(delta.reasoning)
        for call in delta.tool_calls:
            if call.index < len(self.calls):
                self.calls[call.index].arguments += call.arguments
            else:
                self.calls.append(ToolCall(call.index, call.id, call.name, call.arguments))

    def tool_calls(self) -> list[dict[str, Any]]:
        """As a message has them."""
        return [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self.calls
        ]


class Shape:
    """The reply to one request. Subclasses say how a choice looks."""

    prefix: str
    separator = "-"
    object: str
    chunk_object: str
    opening: bytes | None = None
    """The JSON of a choice's first chunk, after its index."""

    def __init__(
        self,
        model: str,
        choices: int,
        *,
        with_logprobs: bool,
        include_usage: bool,
        n: int = 0,
        continuous_usage: bool = False,
        with_token_ids: bool = False,
        fingerprint: str = "",
    ) -> None:
        """`n`: choices per prompt; without it, all are of one. `fingerprint`: of the engine, `system_fingerprint`."""
        self.id = f"{self.prefix}{self.separator}{os.urandom(16).hex()}"
        self.created = int(time.time())
        self.model = model
        self.choices = [Choice() for _ in range(choices)]
        self.with_logprobs = with_logprobs
        self.with_token_ids = with_token_ids
        self.fingerprint = fingerprint
        self.prompt_tokens = 0
        self.cached_tokens = 0
        """Of these, how many vLLM had in its prefix cache."""
        self.prompt_token_ids: list[list[int]] = []
        """For each prompt, where they were asked for."""
        self._n = n or choices
        self._continuous_usage = continuous_usage
        self.warning: str | None = None
        """For the client: the answer is whole, but something beside it went wrong."""
        head = {"id": self.id, "object": self.chunk_object, "created": self.created, "model": model}
        choices_begin = b"data: " + encode_json(head)[:-1] + b',"choices":['
        self._head = choices_begin + b'{"index":'
        self._last_head = choices_begin + b"],"
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._fingerprint = b',"system_fingerprint":' + encode_json(fingerprint) if fingerprint else b""

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)

    def usage(self) -> dict[str, Any]:
        completion = self.completion_tokens
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + completion,
            "completion_tokens": completion,
            "prompt_tokens_details": {"cached_tokens": min(self.cached_tokens, self.prompt_tokens)},
        }

    def add(self, delta: Delta) -> None:
        """To a reply that is not streamed."""
        self.choices[delta.index].add(delta)
        self._count_cached(delta)

    def _count_cached(self, delta: Delta) -> None:
        if delta.index % self._n == 0:  # what the further choices share with the first is no news
            self.cached_tokens += delta.cached_tokens

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
        if self.fingerprint:
            body["system_fingerprint"] = self.fingerprint
        self._add_extras(body)
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
        if delta.cached_tokens:
            self._count_cached(delta)
        if self._continuous_usage:
            self._tail = b',"usage":%b}\n\n' % encode_json(self.usage())
        events = b""
        if delta.reasoning or delta.tool_calls:
            events = self._parsed_chunk(delta)
        if delta.text or delta.logprobs or (self.with_token_ids and delta.token_ids):
            logprobs = b"null"
            if self.with_logprobs:
                logprobs = encode_json(self._logprobs(delta.logprobs or [], choice.text_length))
                choice.text_length += sum(length(entry) for entry in delta.logprobs or ())
            if self.with_token_ids:
                logprobs += b',"token_ids":%b' % encode_json(delta.token_ids)
            events += self._text_chunk(delta.index, encode_json(delta.text), logprobs)
        if delta.finish_reason is not None:
            choice.finish_reason = delta.finish_reason
            events += self._finish_chunk(delta)
        return events

    def closing_chunks(self, *, include_usage: bool) -> bytes:
        """What comes after the last delta."""
        return self._warning_chunk() + (self._usage_chunk() if include_usage else b"") + DONE

    def error_chunk(self, error: ApiError) -> bytes:
        """The last event of a stream that fails."""
        return b"data: " + encode_json(error.body()) + b"\n\n"

    def _usage_chunk(self) -> bytes:
        return self._last_head + b'"usage":' + encode_json(self.usage()) + b"}\n\n"

    def _warning_chunk(self) -> bytes:
        if self.warning is None:
            return b""
        return self._last_head + b'"warning":' + encode_json(self.warning) + self._tail

    def _finish(self, delta: Delta) -> bytes:
        stop_reason = b"" if delta.stop_reason is None else b',"stop_reason":' + encode_json(delta.stop_reason)
        return b'"logprobs":null,"finish_reason":%b%b}]%b' % (
            encode_json(delta.finish_reason),
            stop_reason,
            self._fingerprint,
        )

    def _whole_choice(self, index: int, choice: Choice) -> dict[str, Any]:
        body = {"index": index, **self._content(choice)}
        body["logprobs"] = self._logprobs(choice.logprobs, 0) if self.with_logprobs else None
        body["finish_reason"] = choice.finish_reason
        if choice.stop_reason is not None:
            body["stop_reason"] = choice.stop_reason
        if self.with_token_ids:
            body["token_ids"] = choice.token_ids
        return body

    def _add_extras(self, body: dict[str, Any]) -> None:
        """To a whole reply: what was asked for of the prompt."""
        raise NotImplementedError

    def _parsed_chunk(self, delta: Delta) -> bytes:
        """Of reasoning and tool calls."""
        raise NotImplementedError

    def _text_chunk(self, index: int, text: bytes, logprobs: bytes) -> bytes:
        """`logprobs` is its JSON, and what else there is of the choice."""
        raise NotImplementedError

    def _finish_chunk(self, delta: Delta) -> bytes:
        raise NotImplementedError

    def _content(self, choice: Choice) -> dict[str, Any]:
        raise NotImplementedError

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        raise NotImplementedError


def length(entry: TokenLogprob) -> int:
    """Characters of the text that are this token's."""
    return 0 if entry.silent else len(entry.text)


def prompt_scores(entries: list[TokenLogprob] | None) -> list[dict[str, Any] | None] | None:
    """vLLM's `prompt_logprobs`: for each token of the prompt but the first, it and its alternatives by token id."""
    if entries is None:
        return None
    return [None if entry.logprob is None else _by_id(entry) for entry in entries]


def _by_id(entry: TokenLogprob) -> dict[str, Any]:
    scores = {str(entry.id): {"logprob": entry.logprob, "rank": entry.rank, "decoded_token": entry.text}}
    for rank, (text, token_id, logprob) in enumerate(entry.top, start=1):
        scores.setdefault(str(token_id), {"logprob": logprob, "rank": rank, "decoded_token": text})
    return scores
