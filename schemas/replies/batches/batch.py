"""OpenAI's batch object."""

from collections.abc import Mapping
from typing import Any

TIMES = ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
"""What has a time of its own in the object (`in_progress_at`), beside its creation and its end of time."""


def batch_object(
    batch: Mapping[str, Any], *, metadata: dict[str, str], errors: list[dict[str, Any]], files: dict[str, str | None]
) -> dict[str, Any]:
    """Return the object of a batch.

    `batch` has the columns of its row: times are Unix seconds, 0 for none. `files` are `output_file_id` and
    `error_file_id`.
    """
    times = {f"{name}_at": int(batch[f"{name}_at"]) or None for name in TIMES}
    usage = {
        "input_tokens": batch["input_tokens"],
        "input_tokens_details": {"cached_tokens": batch["cached_tokens"]},
        "output_tokens": batch["output_tokens"],
        "output_tokens_details": {"reasoning_tokens": batch["reasoning_tokens"]},
        "total_tokens": batch["input_tokens"] + batch["output_tokens"],
    }
    return {
        "id": batch["id"],
        "object": "batch",
        "endpoint": batch["endpoint"],
        "model": batch["model"] or None,
        "errors": {"object": "list", "data": errors} if errors else None,
        "input_file_id": batch["input_file_id"],
        "completion_window": batch["completion_window"],
        "status": batch["status"],
        **files,
        "created_at": int(batch["created"]),
        "expires_at": int(batch["expires"]),
        **times,
        "request_counts": {name: batch[name] for name in ("total", "completed", "failed")},
        "usage": usage,
        "metadata": metadata,
    }
