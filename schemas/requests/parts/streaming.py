"""How a stream is sent: the fields that the endpoints which stream share."""

from typing import Any

from marshmallow import EXCLUDE

from schemas.requests.parts.json_types import Bool, Part, optional


class StreamOptionsSchema(Part):
    """OpenAI's `stream_options`, with vLLM's `continuous_usage_stats`."""

    class Meta:
        unknown = EXCLUDE

    include_usage = optional(Bool, False, "Send one more chunk at the end, with `usage` and no choices.")
    continuous_usage_stats = optional(Bool, False, "With `include_usage`: send the `usage` so far with every chunk.")


def resumable_field() -> Any:
    """Return the field `resumable`, which all streams have."""
    return optional(
        Bool,
        False,
        "With `stream`: the answer goes on when the connection is lost, and `GET /v1/streams/{id}` has the rest. Each "
        "event has its number as `id`. The header `X-Resumable: 1` says the same.",
    )
