"""`GET /health`, `/ready` and `/version`, for probes and operators."""

from typing import Any

from flask import Blueprint

from schemas import wire
from schemas.shared.version import VERSION
from webapp.services import services

blueprint = Blueprint("health", __name__)


@blueprint.get("/health")
def health() -> dict[str, Any]:
    """Return 200 as long as this worker runs, with the engine's state and the progress of its load."""
    engine = services().engine
    state = engine.state()
    status: dict[str, Any] = {"state": state, "stage": engine.load.stage, "progress": engine.load.progress}
    if problem := engine.problem:
        status["problem"] = problem
    return {"status": "ok", "engine": status}


@blueprint.get("/ready")
def ready() -> dict[str, Any]:
    """Return 200 if the engine accepts requests, else 503."""
    services().engine.require_ready()
    return {"status": "ready"}


@blueprint.get("/version")
def version() -> dict[str, Any]:
    """Return the versions of the web tier and of the engine. `engine` is null if it does not answer."""
    engine = services().engine
    engine.state()
    welcome = engine.welcome
    return {
        "version": VERSION,
        "protocol": f"{wire.MAJOR}.{wire.MINOR}",
        "engine": None
        if welcome is None
        else {
            "version": welcome.engine_version,
            "protocol": f"{welcome.major}.{welcome.minor}",
            "fingerprint": welcome.fingerprint,
            "pid": welcome.pid,
            "load_count": welcome.load_count,
        },
    }
