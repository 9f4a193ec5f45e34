"""A choice that another engine has begun, and that this one must write again from its start."""

from dataclasses import dataclass, field

from engine_proc.adapter.outputs import Output
from engine_proc.answering.choices import Tag
from engine_proc.answering.live import LiveRequest
from schemas.errors import unavailable
from schemas.wire import Delta


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

    def receive(self, output: Output) -> list[Delta]:
        """Raises `ApiError` (503): the second time, it is another text."""
        if len(self._come) >= len(self.sent):
            return self.choice.receive(output)
        self._come += output.token_ids
        ended_early = output.finish_reason is not None and len(self._come) <= len(self.sent)
        if self._come != self.sent[: len(self._come)] or ended_early:
            raise unavailable(
                "The engine was lost, and the next one writes another answer. Send the request again.",
                "engine_restarted",
                1,
            )
        self.choice.receive(output)  # its parser must have seen it
        return []
