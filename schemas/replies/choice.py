"""What a worker has received of one choice of a reply."""

from dataclasses import dataclass, field
from typing import Any

from schemas.replies.blocks import Blocks
from schemas.wire import Delta, TokenLogprob, ToolCall


@dataclass(slots=True)
class Choice:
    """One choice of a reply, with everything received of it so far."""

    text: list[str] = field(default_factory=list)
    """The text in pieces, one for each delta."""
    logprobs: list[TokenLogprob] = field(default_factory=list)
    """Log probabilities that `Shape.add` has not encoded yet."""
    scores: dict[str, Any] = field(default_factory=dict)
    """The encoded log probabilities of a whole reply: `logprobs` in JSON, its lists as `Blocks`."""
    finish_reason: str | None = None
    stop_reason: str | int | None = None
    text_length: int = 0
    """Characters whose log probabilities are encoded so far, for `text_offset`."""
    reasoning: list[str] = field(default_factory=list)
    calls: list[ToolCall] = field(default_factory=list)
    token_ids: list[int] = field(default_factory=list)
    prompt_logprobs: list[TokenLogprob] = field(default_factory=list)
    """Log probabilities of the prompt that `Shape.add` has not encoded yet."""
    prompt_scores: Blocks | None = None
    """vLLM's `prompt_logprobs`. None: they were not requested."""

    def add(self, delta: Delta) -> None:
        """Add everything that `delta` holds."""
        self.token_ids += delta.token_ids
        if delta.prompt_logprobs:
            self.prompt_logprobs += delta.prompt_logprobs
        if delta.logprobs:
            self.logprobs += delta.logprobs
        if delta.finish_reason is not None:
            self.finish_reason, self.stop_reason = delta.finish_reason, delta.stop_reason
        self.add_content(delta)

    def add_content(self, delta: Delta) -> None:
        """Add only the text, reasoning and tool calls of `delta`."""
        self.text.append(delta.text)
        if delta.reasoning:
            self.reasoning.append(delta.reasoning)
        for call in delta.tool_calls:
            if call.index < len(self.calls):
                self.calls[call.index].arguments += call.arguments
            else:
                self.calls.append(ToolCall(call.index, call.id, call.name, call.arguments))

    def tool_calls(self) -> list[dict[str, Any]]:
        """Return the choice's tool calls as OpenAI's messages have them."""
        return [
            {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}
            for call in self.calls
        ]
