"""How many values a JSON text has, counted before any is built: a client chooses that number, and it costs memory."""

import re
from collections.abc import Iterator

from schemas.errors import invalid

MAX_ELEMENTS = 500_000
"""Values of one body, and of all arguments in it that are JSON texts. A context of 128,000 ids fits three times."""
SMALL_BYTES = 2 * MAX_ELEMENTS
"""A shorter text cannot have too many: each value takes two bytes."""
SLICE = 256 * 1024
"""Bytes that one call into C reads: other threads run between two calls."""
MAX_DIGITS = 400
"""Digits of a number in a text that is not small: the time to read one is quadratic, and no other thread runs."""
_SEPARATORS = (b",", b"[", b"{")
_LONG_NUMBER = re.compile(rb"(?<![0-9])[0-9]{%d}" % (MAX_DIGITS + 1))
_IN_STRING = re.compile(rb'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
"""What comes before the end of a string. Possessive, so that no text makes it slower than linear."""


def check_count(raw: bytes, what: str = "The body") -> None:
    """Raise `ApiError` (400) if the JSON text has more than `MAX_ELEMENTS` values, or numbers that take long to read.

    The text need not be valid: the parser says so later. A hostile text of 16 MB takes a second of CPU: use a thread.
    """
    if too_much := excess(raw):
        raise invalid(f"{what} has {too_much}.")


def excess(raw: bytes) -> str:
    """Return what of a JSON text is too much, as the end of a sentence. Empty: nothing."""
    if len(raw) <= SMALL_BYTES:
        return ""
    found = 0
    for start, end in _outside_strings(raw):
        found += sum(raw.count(separator, start, end) for separator in _SEPARATORS)
        if found > MAX_ELEMENTS:
            return f"more than {MAX_ELEMENTS} values"
        if _LONG_NUMBER.search(raw, start, end):
            return f"a number of more than {MAX_DIGITS} digits"
    return ""


def _outside_strings(raw: bytes) -> Iterator[tuple[int, int]]:
    """Yield the parts of the text that are in no string, in spans of at most `SLICE` bytes."""
    position = 0
    while position < len(raw):
        quote = raw.find(b'"', position, position + SLICE)
        end = quote if quote >= 0 else min(position + SLICE, len(raw))
        yield position, end
        position = _end_of_string(raw, quote + 1) if quote >= 0 else end


def _end_of_string(raw: bytes, position: int) -> int:
    """Return the position after the string whose content begins at `position`; the end of `raw` if it never ends."""
    while position < len(raw):
        limit = position + SLICE
        match = _IN_STRING.match(raw, position, limit)
        assert match is not None
        position = match.end()
        if raw[position : position + 1] == b'"':
            return position + 1
        if position < limit - 1:  # the text ends, perhaps in a backslash
            return len(raw)
    return position
