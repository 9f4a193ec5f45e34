"""`X-Request-ID`: the id that a client or a proxy gives a request, in both tiers' logs and on every response."""

import re
import uuid
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

HEADER = "X-Request-ID"
USABLE = re.compile(r"[\x21-\x7e]{1,128}")


def given() -> str:
    """Return the client's id, or an empty string where there is none or it cannot be logged safely."""
    return usable(request.environ)


def usable(environ: Mapping[str, Any]) -> str:
    """Return the client's id of any WSGI request, as `given` does."""
    name = environ.get("HTTP_X_REQUEST_ID")
    return name if name is not None and USABLE.fullmatch(name) else ""


def register(app: Flask) -> None:
    """Set the header on every response of `app`."""

    @app.after_request
    def name(response: Response) -> Response:
        """Set the client's id, or a new one where a route has not set the reply's id already."""
        if HEADER not in response.headers:
            response.headers[HEADER] = given() or uuid.uuid4().hex
        return response
