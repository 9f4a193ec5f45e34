"""`/v1/streams/{id}`: the rest of a stream whose connection was lost, and its end."""

from typing import Any

import flask
from flask import Blueprint, Response

from schemas.errors import ApiError, quoted
from webapp.conversations.conversations import is_name
from webapp.jobs.responding import after_of, follow, jobs
from webapp.middleware.auth import caller

blueprint = Blueprint("streams", __name__)

LAST_EVENT_ID = "Last-Event-ID"
"""The header that browsers send when they connect again, with the `id` of the last event that they have."""


@blueprint.get("/v1/streams/<stream_id>")
def resume(stream_id: str) -> Response:
    """Send the events after the one that the client has, and those that are still to come."""
    given = flask.request.args.get("after")
    if given is None:
        after = after_of(flask.request.headers.get(LAST_EVENT_ID), LAST_EVENT_ID)
    else:
        after = after_of(given, "after")
    job = jobs().find(caller(), stream_id) if is_name(stream_id) else None
    if job is None:
        raise _not_found(stream_id)
    return follow(job, after)


@blueprint.delete("/v1/streams/<stream_id>")
def delete(stream_id: str) -> dict[str, Any]:
    """Delete a stream. One that has not ended is cancelled."""
    if not is_name(stream_id) or not jobs().delete(caller(), stream_id):
        raise _not_found(stream_id)
    return {"id": stream_id, "object": "stream", "deleted": True}


def _not_found(stream_id: str) -> ApiError:
    message = f"There is no stream {quoted(stream_id)}: it was not resumable, or it has been deleted."
    return ApiError(404, message, param="id", code="stream_not_found")
