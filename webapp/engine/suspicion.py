"""Whether one request may be what has killed the engines that it lost. docs/resuming.md has the rules."""

from typing import Any

from schemas.wire import Testing


class Suspicion:
    """The evidence against one request. An engine with the feature `QUARANTINE` tests each suspect."""

    def __init__(self) -> None:
        self.losses = 0
        """How many engines have died while they worked on the request."""
        self.testing: Testing | None = None
        """What the engine has sent about the test in progress. None: the engine does not test the request."""
        self._suspect = False
        """Whether an engine has died with the request since the request last passed a test."""
        self._isolated = False
        """Whether that engine was testing the request beside others."""

    def __bool__(self) -> bool:
        return self._suspect

    def record_death(self) -> bool:
        """Record that the engine which had the request has died. Return whether the request has certainly killed it."""
        testing, self.testing = self.testing, None
        if self._suspect and testing is None:
            return False  # that engine had not begun to work on it
        self.losses += 1
        self._suspect = True
        self._isolated = testing is not None
        return testing is not None and testing.alone

    def clear(self) -> None:
        """Record that the request has passed its test. Its losses only make the next test longer."""
        self.testing = None
        self._suspect = self._isolated = False

    def wire_fields(self) -> dict[str, Any]:
        """Return the fields of `Generate` that ask the engine for a test; none if the request is not suspected."""
        return {"losses": self.losses, "isolated": self._isolated} if self._suspect else {}
