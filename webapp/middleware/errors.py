"""Sends every error as OpenAI's JSON envelope, or as Anthropic's on the paths of Anthropic's API."""

import logging

import msgspec
from flask import Flask, Response, request
from werkzeug.exceptions import HTTPException

from schemas.errors import ApiError
from schemas.replies.anthropic.error import error_body
from webapp.middleware import request_id
from webapp.middleware.paths import is_anthropic

log = logging.getLogger("hearth.web")

CODES = {
    404: "unknown_url",
    405: "method_not_allowed",
    408: "request_timeout",
    413: "request_too_large",
    415: "unsupported_media_type",
}


ERROR = "hearth.error"
"""Set in the WSGI environment of a request that has failed on its short way (webapp/routes/short_way.py)."""


def register(app: Flask) -> None:
    """Answer every exception of `app` with the envelope."""

    @app.before_request
    def raise_earlier_error() -> None:
        if ERROR in request.environ:
            raise request.environ[ERROR]

    app.register_error_handler(ApiError, respond)
    app.register_error_handler(HTTPException, _on_http_exception)
    app.register_error_handler(Exception, _on_exception)


def respond(error: ApiError) -> Response:
    """Return `error` as a response."""
    name = request_id.given() or request_id.new()
    body = error_body(error, name) if is_anthropic(request.path) else error.body()
    response = Response(msgspec.json.encode(body), error.status, content_type="application/json")
    response.headers[request_id.HEADER] = name
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    if error.final:
        response.headers["X-Should-Retry"] = "false"
    if error.status == 401:
        response.headers["WWW-Authenticate"] = "Bearer"
    if error.code == "unsupported_content_coding":
        response.headers["Accept-Encoding"] = "gzip, deflate, zstd"
    return response


def _on_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    message = error.description or error.name
    if status in (404, 405):
        message = (
            f"Unknown request URL: {request.method} {request.path}."
            if status == 404
            else (f"{request.method} is not allowed on {request.path}.")
        )
    elif status == 413:
        message = f"The body is larger than {request.max_content_length} bytes."
    response = respond(ApiError(status, message, code=CODES.get(status)))
    for name, value in error.get_headers():
        if name.lower() == "allow":
            response.headers[name] = value
    return response


def _on_exception(error: Exception) -> Response:
    log.exception("%s %s failed", request.method, request.path, exc_info=error)
    return respond(
        ApiError(
            500, "The server had an error while processing your request.", type="server_error", code="internal_error"
        )
    )
