"""JSON as clients really write it: with lone surrogates, which are halves of characters, and with NaN."""

import json
import math
from typing import Any

from schemas.errors import invalid, shortened
from schemas.requests.parts.warnings import warn

REPLACED = "The body has lone surrogates, which are no characters: each was replaced by U+FFFD."


def parse(raw: bytes) -> Any:
    """Return the object in `raw`, which the strict parser has refused, with U+FFFD for each lone surrogate.

    Warns where there was one. Returns None if `raw` is no JSON in any other way. Raises `ApiError` (400), which names
    the field, for a number that is not finite.
    """
    try:
        value = json.loads(raw)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or not _mend(value):
        return None
    warn(REPLACED)
    return value


def _mend(body: dict[str, Any]) -> bool:
    """Replace the lone surrogates of all texts and names in `body`. Returns whether there were any."""
    found = False
    pending: list[tuple[Any, _Place | None]] = [(body, None)]
    while pending:
        outer, place = pending.pop()
        named = isinstance(outer, dict)
        for key, inner in list(outer.items() if named else enumerate(outer)):
            name = _whole(key) if named else key
            if isinstance(inner, float) and not math.isfinite(inner):
                where = shortened(_path((name, place)))
                raise invalid(f"Invalid value for `{where}`: Expected a finite number.", where)
            text = _whole(inner) if isinstance(inner, str) else inner
            if name != key:
                del outer[key]
            if name != key or text is not inner:
                outer[name] = text
                found = True
            if isinstance(inner, (dict, list)):
                pending.append((inner, (name, place)))
    return found


_Place = tuple[str | int, Any]
"""Where a value stands: its name or number, and the place of the object or array that holds it (None: the body)."""


def _path(place: _Place | None) -> str:
    """Return `place` as an error names it: `messages[1].content`."""
    keys: list[str | int] = []
    while place is not None:
        key, place = place
        keys.append(key)
    return "".join(f"[{key}]" if isinstance(key, int) else f".{key}" for key in reversed(keys)).removeprefix(".")


def _whole(text: str) -> str:
    """Return `text`, or a copy with U+FFFD for each lone surrogate. Two halves of one character are joined."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return text
