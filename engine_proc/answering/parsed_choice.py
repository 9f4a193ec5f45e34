"""A choice whose text the model's parsers split into reasoning, content and tool calls."""

from dataclasses import dataclass, field

from engine_proc.adapter.calls.parsing import Reading, Stream
from engine_proc.adapter.calls.reasoning import count_reasoning
from engine_proc.adapter.outputs import Output
from engine_proc.answering.choices import Choice
from schemas.wire import Delta


@dataclass(slots=True, kw_only=True)
class ParsedChoice(Choice):
    """The tag of a sequence whose text is parsed."""

    reading: Reading
    prompt_token_ids: list[int]
    _stream: Stream | None = None
    _token_ids: list[int] = field(default_factory=list)
    _reasoned: bool = False
    """Whether the answer has reasoning so far."""

    def to_parse(self, output: Output) -> int:
        if output.finish_reason is None:
            return 0
        return 1 + len(output.text) + (0 if self._stream is None else self._stream.chars)

    def delta(self, output: Output, discarded_tokens: int = 0) -> Delta:
        finished = output.finish_reason is not None
        cut = finished and (output.finish_reason != "stop" or output.stop_reason is not None)
        if self.reading.stream:
            stream = self._stream = self._stream or Stream(self.reading, self.prompt_token_ids)
            parts = stream.feed(output.text, output.token_ids, finished=finished, cut=cut)
            called = stream.called
        else:
            parts = self.reading.whole(output.text, output.token_ids, self.prompt_token_ids, cut=cut)
            called = bool(parts.calls)
        output.text = parts.content
        output.finish_reason = self.reading.finish_reason(output.finish_reason, called=called)
        # `super()` would fail: `dataclass(slots=True)` replaces the class that `super()` refers to.
        delta = Choice.delta(self, output, discarded_tokens)
        delta.reasoning, delta.tool_calls = parts.reasoning, parts.calls
        self._token_ids += output.token_ids
        self._reasoned = self._reasoned or bool(parts.reasoning)
        if finished:
            parser = self.reading.parser(self.prompt_token_ids)
            delta.reasoning_tokens = count_reasoning(parser, self._token_ids, reasoned=self._reasoned)
        return delta
