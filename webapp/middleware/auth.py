"""API keys, as OpenAI's clients send them: `Authorization: Bearer <key>`."""

import hmac
from collections.abc import Sequence

from flask import Flask, g, has_request_context, request

from schemas.errors import ApiError
from webapp.api_keys import ApiKey, digest

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/docs", "/status"})
"""Probes carry no key, and the documentation and the pages hold no secret: what these show they ask for with a key."""


def register(app: Flask, keys: Sequence[ApiKey]) -> None:
    """Ask for one of `keys` on every path but `OPEN_PATHS`; without keys, for none."""
    if not keys:
        return

    @app.before_request
    def check_key() -> None:
        if _is_open():
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given_digest = digest(given.strip().encode("latin-1"))  # as WSGI has decoded it
        # Every key is compared, each in constant time: the answer's time tells nothing.
        matches = [key for key in keys if hmac.compare_digest(given_digest, key.digest)]
        if scheme.lower() != "bearer" or not matches:
            raise ApiError(
                401,
                "Incorrect API key provided." if given else "No API key provided: send `Authorization: Bearer <key>`.",
                code="invalid_api_key",
            )
        g.api_key = matches[0]


def _is_open() -> bool:
    page = request.path == "/" or request.path.startswith("/page/")  # but `POST /` asks the model
    return request.path in OPEN_PATHS or (page and request.method in ("GET", "HEAD"))


def caller() -> str:
    """Tells apart those who ask, and is the same for all keys of one name; "anyone" where no key is asked for."""
    key = _key()
    return "anyone" if key is None else key.scope


def key_name() -> str:
    """The name of the key in use, for the log; "-" where none is asked for."""
    key = _key()
    return "-" if key is None else key.name


def _key() -> ApiKey | None:
    key: ApiKey | None = g.get("api_key") if has_request_context() else None
    return key
