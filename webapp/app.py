"""The application factory."""

from flask import Flask

from schemas.chat import ChatCompletionSchema
from schemas.completions import CompletionSchema
from webapp import auth, errors
from webapp.engine_client import EngineClient
from webapp.hangups import HangupWatch
from webapp.routes import chat, completions, health, models
from webapp.settings import Settings, read_settings


def create_app(settings: Settings | None = None) -> Flask:
    """Build the WSGI application. Nothing is connected before the first request."""
    settings = settings or read_settings()
    app = Flask("hearth", static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = settings.max_body_bytes
    app.json.ensure_ascii = False  # type: ignore[attr-defined]
    app.extensions["settings"] = settings
    app.extensions["engine"] = EngineClient(settings.endpoint)
    app.extensions["hangups"] = HangupWatch()
    app.extensions["chat_schema"] = ChatCompletionSchema(strict_fields=settings.strict_fields)
    app.extensions["completion_schema"] = CompletionSchema(strict_fields=settings.strict_fields)
    errors.register(app)
    auth.register(app, settings.api_keys)
    for blueprint in (chat.blueprint, completions.blueprint, models.blueprint, health.blueprint):
        app.register_blueprint(blueprint)
    return app
