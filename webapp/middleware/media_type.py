"""Insists that a body is announced as JSON.

A browser sends a page's request to another origin at once where the body has no media type, or a form's. With
`application/json` it asks by a preflight first (webapp/middleware/origins.py). A file is uploaded as a form, which only
the check of its `Origin` guards.
"""

from flask import Flask, request

from schemas.errors import ApiError

FORM = "multipart/form-data"
FORM_PATHS = frozenset({"/v1/files"})
"""Paths whose body is a form."""


def register(app: Flask, *, required: bool) -> None:
    """Refuse (415) a body that is not announced as JSON, or as a form where a file comes. Unless `required`, accept one
    that is not announced at all.
    """

    @app.before_request
    def check_media_type() -> None:
        if not _has_body() or request.routing_exception is not None:  # an unknown path is a 404, not a 415
            return
        given = request.mimetype
        if request.path in FORM_PATHS:
            if given != FORM:
                raise ApiError(415, f"Send the file as {FORM}.", code="unsupported_media_type")
            return
        if given == "application/json" or (given.startswith("application/") and given.endswith("+json")):
            return
        if given or required:
            what = f"not {given}" if given else "and say so in Content-Type"
            raise ApiError(415, f"Send the body as application/json, {what}.", code="unsupported_media_type")


def _has_body() -> bool:
    return bool(request.content_length) or "Transfer-Encoding" in request.headers
