"""A job as its row in the database has it. This file and `leases.py` know nothing of what a job does."""

import msgspec

QUEUED, IN_PROGRESS = "queued", "in_progress"
LIVE = (QUEUED, IN_PROGRESS)
"""The states of a job that has not ended."""
COMPLETED, FAILED, CANCELLED, INCOMPLETE = "completed", "failed", "cancelled", "incomplete"
CANCEL, DELETE = "cancel", "delete"
"""What a client may wish of a job that another worker has: the values of `Job.wish`."""
NOBODY = ""
"""The owner of a job that no worker has."""


class TooMany(Exception):
    """The key has as many jobs that have not ended as it may have."""


class Job(msgspec.Struct, kw_only=True):
    """One row of the table of jobs."""

    n: int = 0
    """The job's number in the database, which no other job has. Queued jobs are begun in this order."""
    id: str
    """The public id, such as `resp_...`."""
    scope: str
    """`ApiKey.scope` of its owner: another key does not see it."""
    kind: str
    """Which part of Hearth runs it: see `Leases.serve`."""
    state: str = QUEUED
    owner: str = NOBODY
    """The worker that has it."""
    epoch: int = 0
    """How many workers have had it. Whatever its owner writes is written only while this is the owner's number."""
    beat: int = 0
    """Raised by its owner every few seconds: a number that stands still tells the others that the owner is lost."""
    losses: int = 0
    """How many of its owners were lost since something was stored of it."""
    wish: str = ""
    """`CANCEL`, `DELETE`, or nothing."""
    reads: int = 0
    """Raised by readers in other workers: a number that stands still tells the owner that none of them reads."""
    created: float = 0.0
    """When it was made, in Unix seconds, for lists and for its age. No decision of the leases depends on a clock."""
    ended: float = 0.0
    """When it ended, in Unix seconds; 0: it has not."""
    size: int = 0
    """Bytes of the request and the log."""
    records: int = 0
    """How many records the log has."""
    request: bytes = b""
    """What to do, as its kind has it."""


class Seen(msgspec.Struct, frozen=True):
    """What operators see of a job."""

    id: str
    scope: str
    state: str
    created: float
    tokens: int
    """How many it has generated."""


class Held(msgspec.Struct, frozen=True):
    """What the database says of a job that this worker has."""

    n: int
    epoch: int
    wish: str
    reads: int


class Sighting(msgspec.Struct, frozen=True):
    """A job of another worker, as it was seen: while it stays equal, its owner shows no sign of life."""

    n: int
    kind: str
    owner: str
    epoch: int
    beat: int
