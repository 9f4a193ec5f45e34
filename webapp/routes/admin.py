"""`/admin/requests` and `/admin/jobs`: what operators see of the requests of all web workers and of the responses in
the background, and how they end one.

These paths need `HEARTH_ADMIN_KEY`; the key of a caller does not open them.
"""

import re
import time
from typing import Any

from flask import Blueprint

from schemas import wire
from schemas.errors import ApiError, quoted, unavailable
from webapp.engine.client import EngineClient
from webapp.jobs.responding import jobs
from webapp.services import services

blueprint = Blueprint("admin", __name__)

NAME = re.compile(r"[\x21-\x7e]{1,128}")
"""What the id of a reply can be."""


@blueprint.get("/admin/requests")
def list_requests() -> dict[str, Any]:
    found = _able().ask(wire.AskRequests(), wire.Requests)
    if found is None:
        raise _silent()
    names = _key_names()
    data = [
        {
            "id": request.name,
            "object": "request",
            "age_seconds": request.seconds,
            "key": names.get(request.tenant, "-"),
            "user": request.user,
            "sequences": request.sequences,
        }
        for request in found.listed
    ]
    return {"object": "list", "data": data, "total": found.total}


@blueprint.delete("/admin/requests/<name>")
def end_request(name: str) -> dict[str, Any]:
    """End one request, whose client gets an error."""
    if not NAME.fullmatch(name):
        raise _unknown(name)
    ended = _able().ask(wire.EndRequest(name=name), wire.Ended, name)
    if ended is None:
        raise _silent()
    if not ended.found:
        raise _unknown(name)
    return {"id": name, "object": "request", "ended": True}


@blueprint.get("/admin/jobs")
def list_jobs() -> dict[str, Any]:
    """List the responses in the background that have not ended. No engine is needed: without one, they are queued."""
    found, total = jobs().overview()
    names, now = _key_names(), time.time()
    data = [
        {
            "id": job.id,
            "object": "job",
            "state": job.state,
            "age_seconds": max(0.0, round(now - job.created, 3)),
            "key": names.get(job.scope, "-"),
            "tokens": job.tokens,
        }
        for job in found
    ]
    return {"object": "list", "data": data, "total": total}


@blueprint.delete("/admin/jobs/<name>")
def end_job(name: str) -> dict[str, Any]:
    """Cancel one: its client sees that, and what there is of the response stays."""
    if not NAME.fullmatch(name) or not jobs().end(name):
        raise ApiError(404, f"No job {quoted(name)} is under way.", param="id", code="job_not_found")
    return {"id": name, "object": "job", "ended": True}


def _key_names() -> dict[str, str]:
    """Return the names of the API keys by their scopes."""
    return {key.scope: key.name for key in services().settings.api_keys}


def _able() -> EngineClient:
    """Return the engine. Raises `ApiError` (503) unless it is ready, and knows these questions."""
    engine = services().engine
    if wire.REQUESTS not in engine.require_ready().features:
        raise unavailable("The running engine is too old to list its requests: restart it.", "engine_too_old")
    return engine


def _silent() -> ApiError:
    return unavailable("The engine does not answer.", "engine_gone")


def _unknown(name: str) -> ApiError:
    return ApiError(404, f"No request {quoted(name)} is under way.", param="id", code="request_not_found")
