"""What the replies of all endpoints have in common, whole and as chunks of a stream."""

import time
from collections.abc import Sequence
from typing import Any, ClassVar

import msgspec

from schemas.errors import ApiError
from schemas.replies.blocks import Blocks, encode_pieces
from schemas.replies.choice import Choice
from schemas.replies.token_scores import length, prompt_scores
from schemas.shared.ids import new_id
from schemas.wire import Accepted, Delta, TokenLogprob

encode_json = msgspec.json.encode
DONE = b"data: [DONE]\n\n"
EMPTY_TEXT = b',"text":"","logprobs":null,"finish_reason":null}]'
"""The JSON of a choice of a text completion that has no text yet, after its index."""


class Shape:
    """The reply to one request, whole or as server-sent events. Subclasses define the JSON of a choice."""

    prefix: str
    separator = "-"
    object: str
    chunk_object: str
    opening: bytes | None = None
    """The JSON of a choice's first chunk, after its index."""
    ping = b": ping\n\n"
    """What is sent where nothing else is to be sent for long: a comment, which clients skip."""
    engine_names: ClassVar[dict[str, str]] = {}
    """This API's name of a request's field, by the engine's: a regular expression, and what replaces it."""
    fails_after_opening = False
    """Whether the opening events precede the error of a stream that has no text yet."""

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
        warnings: Sequence[str] = (),
        reply_id: str = "",
        created: int = 0,
    ) -> None:
        """`choices` counts all choices, over all prompts.

        `n`: choices per prompt; 0 means that all belong to one prompt. `continuous_usage`: every chunk has the usage so
        far. `fingerprint`: OpenAI's `system_fingerprint`, left out where empty. `warnings` are for the client.
        `reply_id` and `created` are those of a reply that is made again; otherwise they are new.
        """
        self.id = reply_id or new_id(self.prefix, self.separator)
        self.created = created or int(time.time())
        self.model = model
        self.choices = [Choice() for _ in range(choices)]
        self.with_logprobs = with_logprobs
        self.with_token_ids = with_token_ids
        self.fingerprint = fingerprint
        self._accepted: Accepted | None = None
        self.cached_tokens = 0
        """How many of the prompts' tokens vLLM had in its prefix cache."""
        self.completion_tokens = 0
        """Generated tokens of all choices, those of discarded candidates included."""
        self.reasoning_tokens = 0
        """How many of `completion_tokens` are reasoning: those of the choices that have ended."""
        self._n = n or choices
        self._continuous_usage = continuous_usage
        self._warnings = list(warnings)
        self._warned = 0
        """How many of the warnings the client of a stream has."""
        head = {"id": self.id, "object": self.chunk_object, "created": self.created, "model": model}
        choices_begin = b"data: " + encode_json(head)[:-1] + b',"choices":['
        self._head = choices_begin + b'{"index":'
        self._last_head = choices_begin + b"],"
        self._tail = b',"usage":null}\n\n' if include_usage else b"}\n\n"
        self._fingerprint = b',"system_fingerprint":' + encode_json(fingerprint) if fingerprint else b""

    def accept(self, accepted: Accepted | None) -> None:
        """Set the prompts' tokens from the engine's `accepted`; None: the engine has accepted nothing."""
        if accepted is not None and accepted is not self._accepted:
            for text in accepted.warnings:
                self.warn(text)
        self._accepted = accepted

    def warn(self, text: str | None) -> None:
        """Add a warning for the client. None: there is none."""
        if text is not None:
            self._warnings.append(text)

    @property
    def warning(self) -> str | None:
        """What was done otherwise than the client has asked; None where all was done."""
        return " ".join(self._warnings) or None

    @property
    def prompt_tokens(self) -> int:
        """Tokens of all prompts; 0 before the engine has accepted the request."""
        return 0 if self._accepted is None else self._accepted.prompt_tokens

    @property
    def prompt_token_ids(self) -> list[list[int]]:
        """`prompt_token_ids[p]` are the ids of prompt p; empty where the request does not ask for them."""
        return [] if self._accepted is None else self._accepted.prompt_token_ids

    def usage(self) -> dict[str, Any]:
        """Return OpenAI's `usage` so far."""
        return {
            "prompt_tokens": self.prompt_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "completion_tokens": self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": min(self.cached_tokens, self.prompt_tokens)},
            "completion_tokens_details": {"reasoning_tokens": self.reasoning_tokens},
        }

    def add(self, delta: Delta) -> None:
        """Add `delta` to a reply that is not streamed, and encode its log probabilities."""
        choice = self.choices[delta.index]
        choice.add(delta)
        self._encode_scores(choice)
        self._count(delta)

    def _encode_scores(self, choice: Choice) -> None:
        """Encode the log probabilities of `choice` that are not encoded yet: of all at the end, it would take long."""
        if choice.prompt_logprobs:
            choice.prompt_scores = choice.prompt_scores or Blocks()
            choice.prompt_scores.add(prompt_scores(choice.prompt_logprobs))
            choice.prompt_logprobs = []
        entries, choice.logprobs = choice.logprobs, []
        if not self.with_logprobs or (choice.scores and not entries):
            return
        for name, value in self._logprobs(entries, choice.text_length).items():
            if isinstance(value, list):
                choice.scores.setdefault(name, Blocks()).add(value)
            else:
                choice.scores[name] = value
        choice.text_length += sum(length(entry) for entry in entries)

    def _count(self, delta: Delta) -> None:
        """Add the tokens of `delta` to those of all choices: no chunk's usage is to take longer for more choices."""
        self.completion_tokens += len(delta.token_ids) + delta.discarded_tokens
        self.reasoning_tokens += delta.reasoning_tokens
        # A prompt's other choices share its cached tokens: they are counted once.
        if delta.cached_tokens and delta.index % self._n == 0:
            self.cached_tokens += delta.cached_tokens

    def whole(self) -> bytes:
        """Return the body of a reply that is not streamed."""
        return b"".join(self.whole_pieces())

    def whole_pieces(self) -> list[bytes]:
        """Return the body of a reply that is not streamed, in pieces."""
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
        return self.encoded(body)

    def encoded(self, body: dict[str, Any]) -> list[bytes]:
        """Return the JSON of a whole reply in pieces, with the warnings."""
        return encode_pieces(body if self.warning is None else {**body, "warning": self.warning})

    def opening_chunks(self) -> bytes:
        """Return the server-sent events that precede the first text, one for every choice.

        The first of them has the warnings so far. Where there are none and `opening` is None, there are no events.
        """
        extras = self._opening_extras() + self._new_warnings()
        opening = self.opening or (EMPTY_TEXT if extras else None)
        if opening is None:
            return b""
        self._count_usage()
        return b"".join(
            b"%b%d%b%b%b" % (self._head, index, opening, extras if index == 0 else b"", self._tail)
            for index in range(len(self.choices) if self.opening else 1)
        )

    def _opening_extras(self) -> bytes:
        """Return further members of the first chunk, each after a comma."""
        return b""

    def _new_warning(self) -> str | None:
        """Return the warnings that the client of a stream has not received. None: there are none."""
        new, self._warned = self._warnings[self._warned :], len(self._warnings)
        return " ".join(new) or None

    def _new_warnings(self) -> bytes:
        """Return `_new_warning` as a member after a comma."""
        new = self._new_warning()
        return b"" if new is None else b',"warning":' + encode_json(new)

    def _count_usage(self) -> None:
        """Set the usage of the next chunk."""
        if self._continuous_usage:
            self._tail = b',"usage":%b}\n\n' % encode_json(self.usage())

    def chunk(self, delta: Delta) -> bytes:
        """Return the server-sent events of one delta: its content, and its finish reason where it has one."""
        choice = self.choices[delta.index]
        self._count(delta)
        self._count_usage()
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

    def chunk_pieces(self, delta: Delta) -> list[bytes]:
        """Return `chunk` in pieces."""
        return [self.chunk(delta)]

    def closing_pieces(self, *, include_usage: bool) -> list[bytes]:
        """Return `closing_chunks` in pieces."""
        return [self.closing_chunks(include_usage=include_usage)]

    def closing_chunks(self, *, include_usage: bool) -> bytes:
        """Return the server-sent events that follow the last delta."""
        return self._warning_chunk() + (self._usage_chunk() if include_usage else b"") + DONE

    def error_pieces(self, error: ApiError) -> list[bytes]:
        """Return the last server-sent event of a stream that fails, in pieces."""
        return [b"data: " + encode_json(error.body()) + b"\n\n"]

    def cancelled_pieces(self) -> list[bytes]:
        """Return the last server-sent event of a stream that a client has cancelled, in pieces."""
        return self.error_pieces(ApiError(499, "The answer was cancelled.", type="cancelled", code="cancelled"))

    def _usage_chunk(self) -> bytes:
        return self._last_head + b'"usage":' + encode_json(self.usage()) + b"}\n\n"

    def _warning_chunk(self) -> bytes:
        warning = self._new_warnings()
        return self._last_head + warning[1:] + self._tail if warning else b""

    def _finish(self, delta: Delta) -> bytes:
        stop_reason = b"" if delta.stop_reason is None else b',"stop_reason":' + encode_json(delta.stop_reason)
        return b'"logprobs":null,"finish_reason":%b%b}]%b' % (
            encode_json(delta.finish_reason),
            stop_reason,
            self._fingerprint,
        )

    def _whole_choice(self, index: int, choice: Choice) -> dict[str, Any]:
        self._encode_scores(choice)
        body = {"index": index, **self._content(choice)}
        body["logprobs"] = choice.scores if self.with_logprobs else None
        body["finish_reason"] = choice.finish_reason
        if choice.stop_reason is not None:
            body["stop_reason"] = choice.stop_reason
        if self.with_token_ids:
            body["token_ids"] = choice.token_ids
        return body

    def _add_extras(self, body: dict[str, Any]) -> None:
        """Add the prompt's log probabilities and token ids, where requested, to the body of a whole reply."""
        raise NotImplementedError

    def _parsed_chunk(self, delta: Delta) -> bytes:
        """Return the server-sent event of the reasoning and tool calls of `delta`."""
        raise NotImplementedError

    def _text_chunk(self, index: int, text: bytes, logprobs: bytes) -> bytes:
        """Return the server-sent event of a piece of text.

        `text` and `logprobs` are JSON; `logprobs` may be followed by further fields of the choice (`token_ids`).
        """
        raise NotImplementedError

    def _finish_chunk(self, delta: Delta) -> bytes:
        """Return the server-sent event of a choice's finish reason."""
        raise NotImplementedError

    def _content(self, choice: Choice) -> dict[str, Any]:
        """Return the fields of a whole choice that hold its text."""
        raise NotImplementedError

    def _logprobs(self, entries: list[TokenLogprob], offset: int) -> dict[str, Any]:
        """Return the `logprobs` of `entries`, the first of which begins at character `offset` of the choice's text."""
        raise NotImplementedError
