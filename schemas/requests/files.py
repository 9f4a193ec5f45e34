"""`POST /v1/files`: the fields that come beside the file, and the expiry that batches use too."""

from typing import Any

from marshmallow import EXCLUDE, fields, post_load, validate

from schemas.requests.parts.json_types import Body, Int, Part, Text

PURPOSES = ("batch", "user_data", "assistants", "fine-tune", "vision", "evals")
SHORTEST, LONGEST = 3600, 30 * 24 * 3600
"""Seconds that a file may be kept."""


class ExpiresAfterSchema(Part):
    """When a file is deleted."""

    class Meta:
        unknown = EXCLUDE

    anchor = Text(
        required=True,
        validate=validate.OneOf(["created_at"], error="Expected created_at."),
        metadata={"description": "From when on `seconds` count: the file's creation."},
    )
    seconds = Int(
        required=True,
        validate=validate.Range(SHORTEST, LONGEST),
        metadata={"description": "How long the file is kept."},
    )


def expires_after(what: str) -> fields.Nested:
    """Return the field that says when `what` is deleted."""
    return fields.Nested(
        ExpiresAfterSchema,
        load_default=None,
        allow_none=True,
        metadata={"description": f"When {what} deleted.", "x-default": "after `HEARTH_FILE_MAX_DAYS`"},
    )


class FileUploadSchema(Body):
    """The form of an upload, without the file itself."""

    purpose = Text(
        required=True,
        validate=validate.OneOf(PURPOSES, error=f"Expected one of {', '.join(PURPOSES)}."),
        metadata={"description": "What the file is for. Only files for `batch` have a use here; others are kept."},
    )
    expires_after = expires_after("the file is")

    @post_load
    def _fill(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        self.fill_defaults(data)
        return data
