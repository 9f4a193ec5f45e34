"""The application factory."""

import logging
from typing import Any

from flask import Flask

from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.embeddings import EmbeddingSchema
from schemas.requests.plain import PlainSchema
from schemas.requests.responses import ResponseSchema
from schemas.requests.tokenization import DetokenizeSchema, TokenizeSchema
from webapp.api_keys import read_by_others
from webapp.connection.hangups import HangupWatch
from webapp.conversations.conversations import Conversations
from webapp.conversations.stored_responses import Responses
from webapp.engine.client import EngineClient
from webapp.middleware import auth, errors, request_id
from webapp.observing import metrics, request_log
from webapp.routes import (
    chat,
    completions,
    conversations,
    docs,
    embeddings,
    health,
    models,
    page,
    plain,
    responses,
    status,
    tokenization,
)
from webapp.settings import Settings, read_settings

log = logging.getLogger("hearth.web")


def create_app(settings: Settings | None = None) -> Flask:
    """Build the WSGI application. Nothing is connected before the first request."""
    settings = settings or read_settings()
    app = Flask("hearth", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.url_map.merge_slashes = False  # `//v1/models` is unknown, not a redirect in HTML
    app.extensions["settings"] = settings
    app.extensions["engine"] = EngineClient(settings.endpoint, settings.recovery_seconds, settings.curve_keys)
    app.extensions["conversations"] = Conversations(settings)
    app.extensions["responses"] = Responses(app.extensions["conversations"])
    app.extensions["hangups"] = HangupWatch()
    limits: Any = {"strict_fields": settings.strict_fields, "max_choices": settings.max_choices}
    app.extensions["chat_schema"] = ChatCompletionSchema(**limits)
    app.extensions["completion_schema"] = CompletionSchema(**limits)
    app.extensions["tokenize_schema"] = TokenizeSchema(strict_fields=settings.strict_fields)
    app.extensions["detokenize_schema"] = DetokenizeSchema(strict_fields=settings.strict_fields)
    app.extensions["response_schema"] = ResponseSchema(strict_fields=settings.strict_fields)
    app.extensions["embedding_schema"] = EmbeddingSchema(strict_fields=settings.strict_fields)
    app.extensions["plain_schema"] = PlainSchema(strict_fields=settings.strict_fields)
    errors.register(app)
    metrics.register(app)
    request_log.register(app)
    request_id.register(app)
    auth.register(app, settings.api_keys)
    if settings.api_keys_file is not None and read_by_others(settings.api_keys_file):
        log.warning("every user of this host can read the API keys in %s: chmod o-rwx it", settings.api_keys_file)
    for blueprint in (
        chat.blueprint,
        completions.blueprint,
        conversations.blueprint,
        models.blueprint,
        plain.blueprint,
        embeddings.blueprint,
        responses.blueprint,
        tokenization.blueprint,
        health.blueprint,
        docs.blueprint,
        page.blueprint,
        status.blueprint,
    ):
        app.register_blueprint(blueprint)
    return app
