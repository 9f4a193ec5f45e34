"""The arguments of a call in a conversation, in whatever form a client has kept them."""

import json
from typing import Any

import msgspec
from marshmallow import ValidationError

from schemas.requests.reading.counting import SMALL_BYTES, excess
from schemas.shared import client_json

MAX_DEPTH = 64
"""Levels of free JSON: templates and parsers go through it recursively."""
MAX_BYTES = 4
"""Most bytes of a character."""
_MAX_QUOTES = 3
"""How many times arguments may be written as a string inside a string."""


def object_text(value: Any) -> str:
    """Return a JSON object as a string, which chat templates need.

    Nothing, null and an empty array count as `{}`. Whatever is no object, such as a text that was cut off, becomes the
    value of `INVALID_JSON`: a refusal would end the conversation for good, and the model sees what it wrote.
    Raises `ValidationError` for a text of too many values, before any is built.
    """
    text = None
    for _ in range(_MAX_QUOTES):
        if not isinstance(value, str):
            break
        text = value
        if not text.strip():
            return "{}"
        check_values(text)
        try:
            value = client_json.decode(text)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            break
    if value is None or value == []:
        return "{}"
    if isinstance(value, dict) and not is_deep(value):
        return _encoded(value) if text is None else text
    return _encoded({client_json.INVALID: _encoded(value) if text is None else text})


def check_values(*texts: str) -> None:
    """Raise `ValidationError` if the JSON texts together have more values, or longer numbers, than a body may have."""
    if sum(map(len, texts)) * MAX_BYTES <= SMALL_BYTES:
        return
    if too_much := excess(",".join(texts).encode(errors="surrogatepass")):
        raise ValidationError(f"All arguments together have {too_much}.")


def is_deep(value: Any, most: int = MAX_DEPTH) -> bool:
    """Return whether JSON has more than `most` levels."""
    level = [value] if isinstance(value, (dict, list)) else []
    for _ in range(most):
        level = [
            inner
            for outer in level
            for inner in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(inner, (dict, list))
        ]
        if not level:
            return False
    return True


def _encoded(value: Any) -> str:
    try:
        return msgspec.json.encode(value).decode()
    except UnicodeEncodeError:  # a lone surrogate, which the parser of bodies replaces
        return json.dumps(value)
