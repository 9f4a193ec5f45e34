"""What the probe of both tiers' loops has recorded (schemas/shared/turns.py), and the limit of all tests."""

from collections.abc import Iterable
from pathlib import Path

import msgspec

from schemas.shared.turns import FILE, SETTING

RECORDED_MS = 25
LIMIT_MS = 50.0
"""Milliseconds of CPU time: a loop that takes longer for one turn keeps all of its other requests waiting."""
ENVIRONMENT = {SETTING: str(RECORDED_MS)}


class SlowTurn(msgspec.Struct):
    """One turn of a loop that took more than `RECORDED_MS`."""

    tier: str
    pid: int
    at: float
    ms: float
    imported: int
    """How many modules were imported meanwhile."""
    where: list[str]
    """Call stacks, the innermost function first, as a second thread saw them during the turn."""
    run_dir: Path | None = None
    """Of the Hearth whose process it was, once it has been read."""

    def may_be_the_hosts(self) -> bool:
        """Return whether the host may have made this turn long, and not the work in it.

        Where a host stops a CPU of this machine for a moment, and does not say so, that counts as CPU time of the
        thread which ran there: up to 0.1 s, whatever the thread did.
        """
        return self.imported == 0

    def __str__(self) -> str:
        return "\n    ".join(
            [f"{self.ms:.0f} ms of CPU in one turn of the {self.tier} tier's loop (pid {self.pid})", *self.where]
        )


class Records:
    """The turns that are recorded in some run directories, each of them returned once."""

    def __init__(self) -> None:
        self._read: dict[Path, int] = {}
        """By file: how many bytes have been read."""

    def add(self, run_dir: Path) -> None:
        """Read this directory's file too from now on."""
        self._read.setdefault(run_dir / FILE, 0)

    def take(self) -> list[SlowTurn]:
        """Return the turns recorded since the last call."""
        return [turn for file in self._read for turn in self._take(file)]

    def _take(self, file: Path) -> list[SlowTurn]:
        if not file.exists():
            return []
        with file.open("rb") as opened:
            opened.seek(self._read[file])
            lines = opened.read()
        whole = lines[: lines.rfind(b"\n") + 1]
        self._read[file] += len(whole)
        turns = [msgspec.json.decode(line, type=SlowTurn) for line in whole.splitlines()]
        for turn in turns:
            turn.run_dir = file.parent
        return turns


records = Records()
"""Of all the Hearths that this process has started (tests/harness.py)."""


def longest(turns: Iterable[SlowTurn], tier: str) -> float:
    """Return the milliseconds of the longest turn of this tier's loops; 0 if none was recorded."""
    return max((turn.ms for turn in turns if turn.tier == tier), default=0.0)
