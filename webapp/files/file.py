"""A file as its row in the database has it."""

import msgspec

UPLOADING, WRITTEN, READY, GONE = "uploading", "written", "ready", "gone"
"""The values of `File.state`. A client sees only files that are ready. A batch writes to its files until it ends; what
is gone is deleted once no batch reads it.
"""
BATCH, BATCH_OUTPUT = "batch", "batch_output"
"""Purposes of files."""
MOST_FILES = 10_000
"""Files that a key may have."""


class TooMuch(Exception):
    """The key's files have as many bytes as they may have, or are too many. `args`: a sentence for the client."""


class File(msgspec.Struct, kw_only=True):
    """One row of the table of files."""

    n: int = 0
    """The file's number in the database, which no other file has."""
    id: str
    scope: str
    """`ApiKey.scope` of its owner: another key does not see it."""
    filename: str
    purpose: str
    state: str = UPLOADING
    bytes: int = 0
    """While it is uploaded: as many as it may become."""
    created: float
    """In Unix seconds."""
    expires: float
    """When it is deleted, in Unix seconds."""
    readers: int = 0
    """Batches that read it and have not ended: until then its parts are kept, even where the client has deleted it."""


class Listing(msgspec.Struct, frozen=True):
    """What part of a list a client asks for."""

    limit: int
    newest_first: bool
    after: str | None
    """The id before the first one wanted."""
