"""`X-Request-ID`: the id that a client or a proxy gives a request, in both tiers' logs and on every response.

Anthropic's clients look for it in `request-id`.
"""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from webapp.middleware.paths import is_anthropic

HEADER, ANTHROPIC_HEADER = "X-Request-ID", "request-id"
USABLE = re.compile(r"[\x21-\x7e]{1,128}")


def given() -> str:
    """Return the client's id, or an empty string where there is none or it cannot be logged safely."""
    return usable(request.environ)


def usable(environ: Mapping[str, Any]) -> str:
    """Return the client's id of any WSGI request, as `given` does."""
    name = environ.get("HTTP_X_REQUEST_ID")
    return name if name is not None and USABLE.fullmatch(name) else ""


def new() -> str:
    """Return an id for a request to which its client gives none."""
    return uuid.uuid4().hex


def register(app: Flask) -> None:
    """Set the header on every response of `app`."""

    @app.after_request
    def name(response: Response) -> Response:
        """Set the client's id, or a new one where a route has not set the reply's id already."""
        if HEADER not in response.headers:
            response.headers[HEADER] = given() or new()
        if is_anthropic(request.path):
            response.headers[ANTHROPIC_HEADER] = response.headers[HEADER]
        return response
