"""`X-Request-ID`: the name that a client, or a proxy, gives a request, in both tiers' logs; and on every response."""

import re
import uuid

from flask import Flask, Response, request

HEADER = "X-Request-ID"
USABLE = re.compile(r"[\x21-\x7e]{1,128}")


def given() -> str:
    """The client's, where it is one that a log can take; else nothing."""
    name = request.headers.get(HEADER, "")
    return name if USABLE.fullmatch(name) else ""


def register(app: Flask) -> None:
    @app.after_request
    def name(response: Response) -> Response:
        """A generation's is its own id, where none was given."""
        if HEADER not in response.headers:
            response.headers[HEADER] = given() or uuid.uuid4().hex
        return response
