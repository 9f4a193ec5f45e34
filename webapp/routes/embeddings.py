"""`POST /v1/embeddings`, for an engine that serves an embedding model."""

from functools import partial

from flask import Blueprint, Response

from schemas.replies.embedding import EmbeddingShape
from schemas.requests.generation import Request
from webapp.answering import request_body
from webapp.answering.answer import answer
from webapp.answering.message import renamed
from webapp.services import services

blueprint = Blueprint("embeddings", __name__)


@blueprint.post("/v1/embeddings")
def create() -> Response:
    request: Request
    request, in_base64 = request_body.load(services().schemas.embedding)
    with renamed(EmbeddingShape.engine_names):
        return answer(request, partial(EmbeddingShape, in_base64))
