"""API keys: read and named. Only their digests are kept in memory, so that no log or traceback can show a key."""

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
    """A key and its owner. Keys of the same name have the same owner, so that a new key can replace an old one."""

    name: str
    digest: bytes
    """The SHA-256 digest of the key."""
    scope: str
    """Identifies the owner, for stored conversations, caches and limits; at most 64 characters."""


def digest(key: bytes) -> bytes:
    """Return the SHA-256 digest of `key`."""
    return hashlib.sha256(key).digest()


def parse_keys(entries: Iterable[str]) -> tuple[ApiKey, ...]:
    """Return the keys of `entries`, each `key` or `name:key`; a key without a name that has a colon is written `:key`.

    Raises `EnvError`, whose message contains no key.
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
    """Return the entries of a file: one on each line; lines that begin with `#` are comments.

    Raises `EnvError` where the file cannot be read or has no entry.
    """
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise EnvError(f"HEARTH_API_KEYS_FILE: {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise EnvError(f"HEARTH_API_KEYS_FILE: {path} is not UTF-8 text") from None
    entries = [line for line in lines if line and not line.startswith("#")]
    if not entries:  # an empty file must not mean that no key is required
        raise EnvError(f"HEARTH_API_KEYS_FILE: {path} holds no key")
    return entries


def read_by_others(path: Path) -> bool:
    """Return whether users other than the file's owner and group may read it."""
    return bool(path.stat().st_mode & stat.S_IROTH)
