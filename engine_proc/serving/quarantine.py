"""Test the requests that may have killed an engine: a few at a time, so that the engine that dies names the cause.

docs/resuming.md describes the quarantine, and what web workers make of its messages.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from engine_proc.answering.choices import Tag
from engine_proc.answering.live import LiveRequest, LiveTable
from engine_proc.serving.clients import Clients
from schemas import wire

log = logging.getLogger("hearth.quarantine")

GATHER_SECONDS = 0.25
"""Seconds from the first suspect to the first test: by then all web workers have sent theirs."""
PATIENCE_SECONDS = 5.0
"""Seconds after which the next group begins beside the one before. The test of an isolated suspect has no limit."""
LARGEST_GROUP = 8
TOKENS_FACTOR = 8
"""A suspect must generate one token, and for each further loss this many times as many: some die late."""
MOST_LOSSES = 7
"""Further losses do not lengthen the test: 8**6 tokens are more than any answer has."""


class HasTag(Protocol):
    """An output of the adapter."""

    @property
    def tag(self) -> Tag: ...


@dataclass(slots=True)
class Entry:
    """A request that waits to be begun, or is under test."""

    request: LiveRequest
    generate: wire.Generate
    size: int
    """Bytes of its message."""
    outputs: int = 0
    """Outputs of its beam searches since the test began."""

    @property
    def tokens(self) -> int:
        """How many tokens each of its sequences must generate to pass the test."""
        losses = min(self.generate.losses, MOST_LOSSES)
        return int(TOKENS_FACTOR ** (losses - 1))


class Quarantine:
    """Begins the requests of all web workers: suspects one after the other, all others at once.

    The first suspect is tested alone, the following ones beside those that have passed, in groups of 2, 4 and 8. A
    suspect that is `isolated` is tested alone in any case. While a suspect is tested alone, all other requests wait.
    """

    def __init__(
        self,
        live: LiveTable,
        clients: Clients,
        begin: Callable[[LiveRequest, wire.Generate, int], None],
        hand_back: Callable[[LiveRequest], None],
    ) -> None:
        """`begin` plans and starts a request. `hand_back` ends one, and has its web worker send it again."""
        self._live = live
        self._clients = clients
        self._begin = begin
        self._hand_back = hand_back
        self._suspects: dict[LiveRequest, Entry] = {}
        """Those that have not been begun."""
        self._others: dict[LiveRequest, Entry] = {}
        """Requests that wait until a test alone is over."""
        self._group: dict[LiveRequest, Entry] = {}
        """Under test: the next group begins when all of them have ended or passed."""
        self._late: dict[LiveRequest, Entry] = {}
        """Under test, of earlier groups."""
        self._alone = False
        """Whether a suspect is under test alone, or about to be: no other request may begin."""
        self._round = 0
        self._timer: asyncio.TimerHandle | None = None
        """Begins the next group."""

    def admit(self, request: LiveRequest, generate: wire.Generate, size: int) -> None:
        """Begin a live request now, or when it may. `size` is the size of its message in bytes."""
        if generate.losses > 0:
            self._suspects[request] = Entry(request, generate, size)
            if self._timer is None and not self._group:
                self._alone = True
                self._begin_group_in(GATHER_SECONDS)
        elif self._alone:
            self._others[request] = Entry(request, generate, size)
        else:
            self._begin(request, generate, size)

    def ended(self, request: LiveRequest) -> None:
        """Forget a request that is no longer live."""
        self._suspects.pop(request, None)
        self._others.pop(request, None)
        self._leave(request)

    def after_step(self, outputs: Iterable[HasTag], generated: Callable[[list[str]], int]) -> None:
        """Clear the suspects that have passed their tests with this step's outputs.

        `generated` returns how many tokens each of the sequences with these keys has generated at least.
        """
        if not self._group and not self._late:
            return
        for output in outputs:
            if (entry := self._under_test(output.tag.request)) is not None:
                entry.outputs += 1
        for entry in [*self._group.values(), *self._late.values()]:
            request = entry.request
            progress = entry.outputs if request.searches else generated(request.keys)
            if request.task is None and progress >= entry.tokens:
                self._leave(request)
                self._clients.reply(request.client, wire.Cleared(ids=[request.id]))

    def stop(self) -> None:
        """Begin nothing more: the engine ends."""
        self._cancel_timer()
        for entries in (self._suspects, self._others, self._group, self._late):
            entries.clear()

    def _under_test(self, request: LiveRequest) -> Entry | None:
        return self._group.get(request) or self._late.get(request)

    def _leave(self, request: LiveRequest) -> None:
        """End the test of `request`, if it is under test."""
        self._late.pop(request, None)
        if self._group.pop(request, None) is not None and not self._group:
            self._begin_group_in(0)

    def _begin_group_in(self, seconds: float) -> None:
        self._cancel_timer()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin_group)

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _begin_group(self) -> None:
        """Begin the next group of suspects, and all other requests unless a suspect is tested alone."""
        self._timer = None
        self._give_up_waiting()
        group = self._choose_group()
        for entry in group:
            request, losses = entry.request, entry.generate.losses
            self._group[request] = self._suspects.pop(request)
            log.warning("testing %s%s: %d engines died with it", request.name, " alone" if self._alone else "", losses)
            self._clients.reply(request.client, wire.Testing(id=request.id, alone=self._alone))
            self._begin(request, entry.generate, entry.size)
        if not self._alone:
            others, self._others = self._others, {}
            for entry in others.values():
                self._begin(entry.request, entry.generate, entry.size)
        if group and not group[0].generate.isolated:
            self._begin_group_in(PATIENCE_SECONDS)

    def _give_up_waiting(self) -> None:
        """Let the next group begin beside the present one, whose tests go on."""
        for request in self._group if self._alone else ():
            self._clients.reply(request.client, wire.Testing(id=request.id, alone=False))
        self._late.update(self._group)
        self._group.clear()

    def _choose_group(self) -> list[Entry]:
        """Return the suspects to test next, and set `_alone`. Empty: there are none."""
        for request, entry in self._suspects.items():
            if entry.generate.isolated:
                for other in self._begun():
                    self._hand_back(other)
                self._alone = True
                return [self._suspects[request]]
        group = sorted(self._suspects.values(), key=lambda entry: entry.generate.age)
        group = group[: min(2**self._round, LARGEST_GROUP)]
        self._alone = len(group) == 1 and not self._begun()
        self._round = self._round + 1 if group else 0
        return group

    def _begun(self) -> list[LiveRequest]:
        return [request for request in self._live if request not in self._suspects and request not in self._others]
