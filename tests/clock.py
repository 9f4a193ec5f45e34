"""A clock that a test sets."""

from types import ModuleType

import pytest


class Clock:
    """Stands for the module `time`."""

    now = 100.0

    def monotonic(self) -> float:
        return self.now


def set_clock(monkeypatch: pytest.MonkeyPatch, module: ModuleType) -> Clock:
    """Give `module` a clock in place of `time`, and return it."""
    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock
