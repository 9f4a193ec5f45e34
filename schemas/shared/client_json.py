"""Parse JSON that a client has written."""

import math
from typing import Any

import msgspec

INVALID = "INVALID_JSON"
"""The one key of a call's arguments that were no JSON object; its value is their text. Anthropic's name for it."""


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ValueError("Number out of range")  # as msgspec says it
    return value


decode = msgspec.json.Decoder[Any](float_hook=_number).decode
"""Return the value that a JSON text, bytes or `str`, stands for.

Python reads the numbers that have a fraction or an exponent: for some, such as `1e+308`, msgspec takes 16 us, fifty
times as long, while no other thread can run. Raises `msgspec.DecodeError`, and `RecursionError` for a text that is
nested too deeply.
"""
