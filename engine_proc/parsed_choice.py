"""Choices whose text is not just the sequence's: it has reasoning or tool calls in it, or is written a second time."""

from dataclasses import dataclass, field

from engine_proc.choices import Choice, Tag
from engine_proc.live import LiveRequest
from engine_proc.outputs import Output
from engine_proc.parsing import Reading, Stream
from schemas.errors import unavailable
from schemas.wire import Delta


@dataclass(slots=True, kw_only=True)
class ParsedChoice(Choice):
    """Its text is read by the model's parsers."""

    reading: Reading
    prompt_token_ids: list[int]
    _stream: Stream | None = None

    def delta(self, output: Output, discarded_tokens: int = 0) -> Delta:
        finished = output.finish_reason is not None
        if self.reading.stream:
            stream = self._stream = self._stream or Stream(self.reading, self.prompt_token_ids)
            parts = stream.take(output.text, output.token_ids, finished=finished)
            called = stream.called
        else:
            parts = self.reading.whole(output.text, output.token_ids, self.prompt_token_ids)
            called = bool(parts.calls)
        output.text = parts.content
        output.finish_reason = self.reading.finish_reason(output.finish_reason, called=called)
        # `super()` does not know this class: a dataclass with slots is another one than was written.
        delta = Choice.delta(self, output, discarded_tokens)
        delta.reasoning, delta.tool_calls = parts.reasoning, parts.calls
        return delta


@dataclass(slots=True)
class Rewritten:
    """A choice that is generated anew, with the same seed, up to where `sent` has brought the client, and goes on
    from there. A structure cannot be entered midway.
    """

    choice: Tag
    sent: list[int]
    _come: list[int] = field(default_factory=list)

    @property
    def request(self) -> LiveRequest:
        return self.choice.request

    def take(self, output: Output) -> list[Delta]:
        """Raises `ApiError` (503): the second time, it is another text."""
        if len(self._come) >= len(self.sent):
            return self.choice.take(output)
        self._come += output.token_ids
        ended_early = output.finish_reason is not None and len(self._come) <= len(self.sent)
        if self._come != self.sent[: len(self._come)] or ended_early:
            raise unavailable(
                "The engine was lost, and the next one writes another answer. Send the request again.",
                "engine_restarted",
                1,
            )
        self.choice.take(output)  # its parser must have seen it
        return []
