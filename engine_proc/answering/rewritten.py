"""Resume a choice with a structure: generate it again from its start, and send only what its client does not have."""

from dataclasses import dataclass, field

from engine_proc.adapter.outputs import Output
from engine_proc.answering.choices import Tag
from engine_proc.answering.live import LiveRequest
from schemas.errors import unavailable
from schemas.wire import Delta


@dataclass(slots=True)
class Rewritten:
    """The tag of a resumed sequence that is generated again from its start: vLLM cannot enter a structure midway.

    With the same seed it should begin with the tokens `sent`, which its client already has. No delta is sent for them.
    """

    choice: Tag
    sent: list[int]
    _received: list[int] = field(default_factory=list)

    @property
    def request(self) -> LiveRequest:
        return self.choice.request

    def to_parse(self, output: Output) -> int:
        return self.choice.to_parse(output)

    def receive(self, output: Output) -> list[Delta]:
        """Return the deltas after `sent`. Raises `ApiError` (503) if the sequence does not begin with `sent`."""
        if len(self._received) >= len(self.sent):
            return self.choice.receive(output)
        begin = len(self._received)
        self._received += output.token_ids
        ended_early = output.finish_reason is not None and len(self._received) <= len(self.sent)
        if output.token_ids != self.sent[begin : begin + len(output.token_ids)] or ended_early:
            raise unavailable(
                "The engine was lost, and the next one generated a different answer. Send the request again.",
                "engine_restarted",
                1,
            )
        self.choice.receive(output)  # so that its parser processes the text; the delta is dropped
        return []
