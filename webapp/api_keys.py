"""API keys: where they come from, and whose they are. Only digests are kept, so that nothing can write a key down."""

import hashlib
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from environs import EnvError

_NAME = re.compile(r"[A-Za-z0-9._-]{1,48}")


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A key, and whoever it belongs to. Several keys of one name are one caller: that is how a key is replaced."""

    name: str
    digest: bytes
    """SHA-256 of the key."""
    scope: str
    """Tells callers apart where something is kept for them; at most 64 characters."""


def digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()


def parse_keys(entries: Iterable[str]) -> tuple[ApiKey, ...]:
    """From `key` or `name:key` each; a key that has a colon itself and no name is written `:key`.

    Raises `EnvError`, which repeats no key.
    """
    keys: list[ApiKey] = []
    for number, entry in enumerate((entry.strip() for entry in entries if entry.strip()), 1):
        name, colon, key = entry.partition(":")
        if not colon:
            name, key = "", entry
        if not key:
            raise EnvError(f"HEARTH_API_KEYS: entry {number} is a name without a key")
        if name and not _NAME.fullmatch(name):
            raise EnvError(
                f"HEARTH_API_KEYS: the name of entry {number} must be 1 to 48 of A-Z a-z 0-9 . _ -; "
                "write `:key` for a key that has a colon and no name"
            )
        hashed = digest(key.strip().encode())
        keys.append(ApiKey(name or f"key-{number}", hashed, f"name:{name}" if name else hashed.hex()))
    return tuple(keys)


def read_file(path: Path) -> list[str]:
    """The entries of a file: one a line, `#` begins a comment. Raises `EnvError` where there is none to be had."""
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise EnvError(f"HEARTH_API_KEYS_FILE: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EnvError(f"HEARTH_API_KEYS_FILE: {path} is not UTF-8 text") from None
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:  # an emptied file must not open the door
        raise EnvError(f"HEARTH_API_KEYS_FILE: {path} holds no key")
    return entries


def read_by_others(path: Path) -> bool:
    """Users beyond the file's owner and group may read it."""
    return bool(path.stat().st_mode & stat.S_IROTH)
