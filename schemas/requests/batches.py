"""`POST /v1/batches`: the request body."""

import re
from typing import Any

from marshmallow import ValidationError, post_load, validate

from schemas.requests.files import expires_after
from schemas.requests.parts.json_types import Body, Text, optional
from schemas.requests.response_options import Metadata

ENDPOINTS = ("/v1/chat/completions", "/v1/completions", "/v1/embeddings", "/v1/responses")
SECONDS = {"m": 60, "h": 3600, "d": 24 * 3600}
LONGEST = 30 * 24 * 3600


class Window(Text):
    """A time such as `24h`: OpenAI's is always that."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not re.fullmatch(r"[1-9][0-9]{0,4}[mhd]", text) or seconds_of(text) > LONGEST:
            raise ValidationError("Expected a time such as 24h: minutes (m), hours (h) or days (d), at most 30 days.")
        return text


def seconds_of(window: str) -> int:
    """Return the seconds of a valid `completion_window`."""
    return int(window[:-1]) * SECONDS[window[-1]]


class BatchSchema(Body):
    """The body of `POST /v1/batches`."""

    input_file_id = Text(
        required=True,
        validate=validate.Length(1, 64),
        metadata={"description": "A file that was uploaded for `batch`: one request a line."},
    )
    endpoint = Text(
        required=True,
        validate=validate.OneOf(ENDPOINTS, error=f"Expected one of {', '.join(ENDPOINTS)}."),
        metadata={"description": "The `url` of every line."},
    )
    completion_window = optional(
        Window,
        "24h",
        "How long the batch may take, in minutes (`90m`), hours or days (`30d` at most): the lines that have no result "
        "by then get an error.",
    )
    metadata = optional(Metadata, {}, "Returned with the batch: up to 16 texts by name.")
    output_expires_after = expires_after("the files of results are")

    @post_load
    def _fill(self, data: dict[str, Any], **kwargs: Any) -> dict[str, Any]:
        self.fill_defaults(data)
        return data
