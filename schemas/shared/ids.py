"""Ids of what the server makes."""

import os


def new_id(prefix: str, separator: str = "_") -> str:
    """Return a new id, such as `resp_` and 32 hexadecimal digits."""
    return f"{prefix}{separator}{os.urandom(16).hex()}"
