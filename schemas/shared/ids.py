"""Ids of what the server makes."""

import os

MAX_CHARS = 64


def new_id(prefix: str, separator: str = "_") -> str:
    """Return a new id, such as `resp_` and 32 hexadecimal digits."""
    return f"{prefix}{separator}{os.urandom(16).hex()}"


def may_be_id(text: str) -> bool:
    """Return whether `new_id` may have made this: what a URL holds may be anything."""
    return len(text) <= MAX_CHARS and text.isascii() and text.isprintable()
