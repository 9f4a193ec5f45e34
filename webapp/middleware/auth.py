"""Checks API keys, which OpenAI's clients send as `Authorization: Bearer <key>`."""

import hmac
from collections.abc import Sequence

from flask import Flask, g, has_request_context, request

from schemas.errors import ApiError
from webapp.api_keys import ApiKey, digest

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/docs", "/status"})
"""Paths that need no key: probes cannot send one, and the documentation and the pages hold no secret.

The pages get the data that they show from other paths, with a key.
"""


def register(app: Flask, keys: Sequence[ApiKey]) -> None:
    """Require one of `keys` on every path except `OPEN_PATHS` and the pages. Without `keys`, require none."""
    if not keys:
        return

    @app.before_request
    def check_key() -> None:
        if _is_open():
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given_digest = digest(given.strip().encode("latin-1"))  # WSGI decodes headers as Latin-1
        # Compare with every key, each in constant time, so that the response time reveals nothing about the keys.
        matches = [key for key in keys if hmac.compare_digest(given_digest, key.digest)]
        if scheme.lower() != "bearer" or not matches:
            raise ApiError(
                401,
                "Incorrect API key provided." if given else "No API key provided: send `Authorization: Bearer <key>`.",
                code="invalid_api_key",
            )
        g.api_key = matches[0]


def _is_open() -> bool:
    page = request.path == "/" or request.path.startswith("/page/")  # `POST /` is the plain API
    return request.path in OPEN_PATHS or (page and request.method in ("GET", "HEAD"))


def caller() -> str:
    """Return the `ApiKey.scope` of the request's key, the same for all keys of one name.

    "anyone" where the server has no keys.
    """
    key = _key()
    return "anyone" if key is None else key.scope


def key_name() -> str:
    """Return the name of the request's key, for logs; "-" where the server has no keys."""
    key = _key()
    return "-" if key is None else key.name


def _key() -> ApiKey | None:
    key: ApiKey | None = g.get("api_key") if has_request_context() else None
    return key
