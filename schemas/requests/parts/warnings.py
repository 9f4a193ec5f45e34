"""Warnings for the client: what of its request the server takes, but not as it is written.

Fields warn while a body is loaded, and the loaded request takes the warnings. They are kept in the context (a
greenlet's or a thread's own), because a marshmallow field does not know which request it is loaded for.
"""

from contextvars import ContextVar

MAX_WARNINGS = 16
"""Warnings of one request. Further ones are dropped."""

_warnings: ContextVar[tuple[str, ...]] = ContextVar("warnings", default=())


def begin() -> None:
    """Drop the warnings of an earlier body, which was refused."""
    _warnings.set(())


def warn(text: str) -> None:
    """Add a warning to those of the body that is being loaded. The same text is added once."""
    present = _warnings.get()
    if text not in present and len(present) < MAX_WARNINGS:
        _warnings.set((*present, text))


def taken() -> tuple[str, ...]:
    """Return the warnings of the body that has been loaded, and begin anew."""
    present = _warnings.get()
    begin()
    return present
