"""The application factory: build the Flask application from the settings."""

import logging

from flask import Flask

from webapp import page_files, services
from webapp.api_keys import read_by_others
from webapp.batches.batches import Batches
from webapp.files.files import Files
from webapp.jobs import responding
from webapp.jobs.jobs import Jobs
from webapp.middleware import auth, errors, hosts, media_type, origins, paths, request_id
from webapp.observing import metrics, request_log
from webapp.routes import (
    admin,
    batches,
    chat,
    completions,
    conversations,
    docs,
    embeddings,
    files,
    health,
    messages,
    models,
    page,
    plain,
    responses,
    short_way,
    status,
    streams,
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
    services.register(app, settings)
    app.extensions[responding.EXTENSION] = jobs = Jobs(app.extensions[services.EXTENSION])
    app.extensions[files.EXTENSION] = Files(settings)
    app.extensions[batches.EXTENSION] = Batches(jobs)
    errors.register(app)
    metrics.register(app)
    request_log.register(app)
    request_id.register(app)
    hosts.register(app, settings.allowed_hosts, settings.bind)
    origins.register(app, settings.cors_origins)
    auth.register(app, settings.api_keys, settings.admin_key)
    media_type.register(app, required=settings.require_json_type)
    if settings.api_keys_file is not None and read_by_others(settings.api_keys_file):
        log.warning(
            "every user of this host can read the API keys in %s: run chmod o-rwx on it", settings.api_keys_file
        )
    for blueprint in (
        admin.blueprint,
        batches.blueprint,
        chat.blueprint,
        completions.blueprint,
        conversations.blueprint,
        models.blueprint,
        plain.blueprint,
        embeddings.blueprint,
        files.blueprint,
        responses.blueprint,
        messages.blueprint,
        streams.blueprint,
        tokenization.blueprint,
        health.blueprint,
        docs.blueprint,
        page.blueprint,
        status.blueprint,
    ):
        app.register_blueprint(blueprint)
    page_files.work_out()
    paths.register(app)
    app.wsgi_app = short_way.ShortWay(app.wsgi_app, app.extensions[services.EXTENSION])  # type: ignore[method-assign]
    return app
