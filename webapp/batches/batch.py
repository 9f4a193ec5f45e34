"""A batch as its row in the database has it."""

from typing import Any

import msgspec

from schemas.replies.batches.batch import batch_object

VALIDATING, IN_PROGRESS, CANCELLING = "validating", "in_progress", "cancelling"
COMPLETED, FAILED, EXPIRED, CANCELLED = "completed", "failed", "expired", "cancelled"
LIVE = (VALIDATING, IN_PROGRESS, CANCELLING)
"""The states of a batch that has not ended. `finalizing` is none of its own: the last result ends the batch."""


class NoInput(Exception):
    """There is no such file for a batch."""


class LineError(msgspec.Struct, frozen=True):
    """Why a file is no batch, as OpenAI has it."""

    code: str
    message: str
    line: int | None = None
    param: str | None = None


class Counts(msgspec.Struct):
    """What a result adds to the batch."""

    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0

    def add(self, other: "Counts") -> None:
        for name in self.__struct_fields__:
            setattr(self, name, getattr(self, name) + getattr(other, name))


class Batch(msgspec.Struct, kw_only=True):
    """One row of the table of batches. Its lease, and who runs it, are in its job."""

    n: int = 0
    """The number of its job."""
    id: str
    scope: str
    """`ApiKey.scope` of its owner: another key does not see it."""
    key: str
    """The name of the key that has made it, for the log; empty where the server has no keys."""
    status: str = VALIDATING
    endpoint: str
    input_file_id: str
    completion_window: str
    metadata: str
    """JSON."""
    errors: str = "[]"
    """JSON of a list of `LineError`."""
    input_n: int = 0
    """The number of the input file."""
    output_n: int = 0
    error_n: int = 0
    output_file_id: str
    error_file_id: str
    """Both are shown when the batch has ended, unless they are empty."""
    has_output: bool = False
    has_errors: bool = False
    model: str = ""
    """The name of the model that was served when the batch began; empty: it has not."""
    adapters: str = "[]"
    """JSON: the names of the adapters that were served then."""
    output_seconds: float
    """How long the files of results are kept."""
    created: float
    expires: float
    """When lines that have no result are given up. All times are in Unix seconds, 0: not yet."""
    in_progress_at: float = 0.0
    finalizing_at: float = 0.0
    completed_at: float = 0.0
    failed_at: float = 0.0
    expired_at: float = 0.0
    cancelling_at: float = 0.0
    cancelled_at: float = 0.0
    total: int = 0
    completed: int = 0
    failed: int = 0
    input_tokens: int = 0
    cached_tokens: int = 0
    output_tokens: int = 0
    reasoning_tokens: int = 0


def shown(batch: Batch) -> dict[str, Any]:
    """Return OpenAI's batch object."""
    return batch_object(
        msgspec.structs.asdict(batch),
        metadata=msgspec.json.decode(batch.metadata),
        errors=msgspec.json.decode(batch.errors),
        files={
            "output_file_id": batch.output_file_id if batch.has_output else None,
            "error_file_id": batch.error_file_id if batch.has_errors else None,
        },
    )
