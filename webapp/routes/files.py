"""`/v1/files`: the files of the API key in use, as OpenAI has them."""

from collections.abc import Iterator
from typing import Any

import flask
from flask import Blueprint, Response, current_app

from schemas.errors import ApiError
from schemas.replies.shape import encode_json
from webapp.conversations.paging import asked, listed
from webapp.files.file import MOST_FILES, Listing
from webapp.files.files import Files, shown
from webapp.files.upload import receive
from webapp.middleware.auth import caller
from webapp.services import services

blueprint = Blueprint("files", __name__)

EXTENSION = "hearth.files"
MOST_LISTED = 1000
"""Files of one page, whatever limit is asked for."""


def files() -> Files:
    """Return the files of the application that handles the current request."""
    found: Files = current_app.extensions[EXTENSION]
    return found


@blueprint.post("/v1/files")
def create() -> dict[str, Any]:
    if flask.request.headers.get("Content-Encoding", "identity") != "identity":
        raise ApiError(415, "A form is taken without a content coding.", code="unsupported_content_coding")
    shared = services()
    return shown(receive(files(), caller(), shared.schemas.file_upload, shared.settings.body_seconds))


@blueprint.get("/v1/files")
def list_files() -> Response:
    limit, order, after = asked(MOST_FILES, MOST_FILES)
    limit = min(limit, MOST_LISTED)
    found = files().page(caller(), flask.request.args.get("purpose"), Listing(limit, order == "desc", after))
    page = listed([shown(file) for file in found[:limit]], has_more=len(found) > limit)
    return Response(encode_json(page), content_type="application/json")


@blueprint.get("/v1/files/<file_id>")
def retrieve(file_id: str) -> dict[str, Any]:
    return shown(files().find(caller(), file_id))


@blueprint.get("/v1/files/<file_id>/content")
def content(file_id: str) -> Response:
    """Return the file's bytes. A browser saves them, and takes them for nothing that it would show or run."""
    file = files().find(caller(), file_id)
    response = Response(_begun(files().content(file)), content_type="application/octet-stream")
    response.headers["Content-Length"] = str(file.bytes)
    response.headers.set("Content-Disposition", "attachment", filename=file.filename)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _begun(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Return `pieces`, of which the first has been read: a database that fails is a 503."""
    first = next(pieces, b"")

    def rest() -> Iterator[bytes]:
        yield first
        yield from pieces

    return rest()


@blueprint.delete("/v1/files/<file_id>")
def delete(file_id: str) -> dict[str, Any]:
    files().delete(caller(), file_id)
    return {"id": file_id, "object": "file", "deleted": True}
