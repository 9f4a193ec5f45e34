"""What a check of `doctor` has found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Finding:
    level: str
    """`ok`; `note`: it works, and could be better; `bad`: Hearth does not work so."""
    what: str
    found: str
    advice: str = ""


def ok(what: str, found: str) -> Finding:
    return Finding("ok", what, found)


def note(what: str, found: str, advice: str) -> Finding:
    return Finding("note", what, found, advice)


def bad(what: str, found: str, advice: str) -> Finding:
    return Finding("bad", what, found, advice)
