"""`GET /v1/models` and `GET /v1/models/{id}`: the served model and its LoRA adapters."""

from typing import Any

from flask import Blueprint

from schemas.wire import Welcome
from webapp.answering.answer import model_not_found
from webapp.services import services

blueprint = Blueprint("models", __name__)


@blueprint.get("/v1/models")
def list_models() -> dict[str, Any]:
    welcome = services().engine.require_ready()
    return {"object": "list", "data": [_model(name, welcome) for name in (*welcome.served_names, *welcome.adapters)]}


@blueprint.get("/v1/models/<path:name>")
def retrieve_model(name: str) -> dict[str, Any]:
    welcome = services().engine.require_ready()
    if name not in (*welcome.served_names, *welcome.adapters):
        raise model_not_found(name)
    return _model(name, welcome)


def _model(name: str, welcome: Welcome) -> dict[str, Any]:
    parent = {"parent": welcome.served_names[0]} if name in welcome.adapters else {}
    return {
        "id": name,
        "object": "model",
        "created": welcome.started,
        "owned_by": "hearth",
        "root": welcome.model,
        "max_model_len": welcome.max_model_len,
        **parent,
    }
