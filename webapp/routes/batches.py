"""`/v1/batches`: files of requests that are answered while nobody waits, as OpenAI has them."""

from typing import Any

from flask import Blueprint, Response, current_app

from schemas.replies.shape import encode_json
from webapp.answering import request_body
from webapp.batches.batch import shown
from webapp.batches.batches import Batches
from webapp.conversations.paging import DEFAULT_LIMIT, MAX_LIMIT, asked, listed
from webapp.files.file import Listing
from webapp.middleware import auth
from webapp.services import services

blueprint = Blueprint("batches", __name__)

EXTENSION = "hearth.batches"


def batches() -> Batches:
    """Return the batches of the application that handles the current request."""
    found: Batches = current_app.extensions[EXTENSION]
    return found


@blueprint.post("/v1/batches")
def create() -> dict[str, Any]:
    body = request_body.load(services().schemas.batch)
    return shown(batches().make(auth.key(), body))


@blueprint.get("/v1/batches")
def list_batches() -> Response:
    limit, order, after = asked(MAX_LIMIT, DEFAULT_LIMIT)
    found = batches().page(auth.caller(), Listing(limit, order == "desc", after))
    page = listed([shown(batch) for batch in found[:limit]], has_more=len(found) > limit)
    return Response(encode_json(page), content_type="application/json")


@blueprint.get("/v1/batches/<batch_id>")
def retrieve(batch_id: str) -> dict[str, Any]:
    return shown(batches().find(auth.caller(), batch_id))


@blueprint.post("/v1/batches/<batch_id>/cancel")
def cancel(batch_id: str) -> dict[str, Any]:
    return shown(batches().cancel(auth.caller(), batch_id))
