"""The result of one check of `doctor`."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    """The result of one check."""

    level: str
    """`ok`; `note`: works, but could be better; `bad`: keeps Hearth from working."""
    what: str
    """What was checked."""
    found: str
    advice: str = ""
    """How to fix or improve it. Empty for `ok`."""


def ok(what: str, found: str) -> Finding:
    return Finding("ok", what, found)


def note(what: str, found: str, advice: str) -> Finding:
    return Finding("note", what, found, advice)


def bad(what: str, found: str, advice: str) -> Finding:
    return Finding("bad", what, found, advice)
