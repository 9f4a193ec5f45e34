"""OpenAI's file object."""

from typing import Any


def file_object(
    file_id: str, *, size: int, created: float, filename: str, purpose: str, expires: float
) -> dict[str, Any]:
    """Return the object of a file of `size` bytes. `created` and `expires` are in Unix seconds."""
    return {
        "id": file_id,
        "object": "file",
        "bytes": size,
        "created_at": int(created),
        "expires_at": int(expires),
        "filename": filename,
        "purpose": purpose,
        "status": "processed",
        "status_details": None,
    }
