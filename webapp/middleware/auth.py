"""Checks API keys: OpenAI's clients send `Authorization: Bearer <key>`, Anthropic's that or `x-api-key: <key>`."""

import hmac
from collections.abc import Sequence

from flask import Flask, g, has_request_context, request

from schemas.errors import ApiError
from webapp.api_keys import ApiKey, digest

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/docs", "/status"})
"""Paths that need no key: probes cannot send one, and the documentation and the pages hold no secret.

The pages get the data that they show from other paths, with a key.
"""


ADMIN_PATHS = "/admin/"
"""What the paths begin with that only operators may use."""


def register(app: Flask, keys: Sequence[ApiKey], admin: ApiKey | None = None) -> None:
    """Require one of `keys` on every path except `OPEN_PATHS` and the pages. Without `keys`, require none.

    Paths of operators require `admin`, and no other key; without it, they refuse everyone.
    """

    @app.before_request
    def check_key() -> None:
        if request.path.startswith(ADMIN_PATHS):
            _check_admin(admin)
            return
        if not keys or _is_open() or request.method == "OPTIONS":  # which says what methods a path has, as api.md does
            return
        given, other = request.headers.get("Authorization", ""), request.headers.get("X-Api-Key", "")
        found = find_key(given, keys) or find_key(f"Bearer {other}", keys)
        if found is None:
            raise ApiError(
                401,
                "Incorrect API key provided."
                if given.partition(" ")[2] or other
                else "No API key provided: send `Authorization: Bearer <key>`.",
                code="invalid_api_key",
            )
        g.api_key = found


def _check_admin(admin: ApiKey | None) -> None:
    if admin is None:
        raise ApiError(403, "This server has no admin key: its operator can set HEARTH_ADMIN_KEY.", code="no_admin_key")
    if find_key(request.headers.get("Authorization", ""), [admin]) is None:
        message = "This path needs the admin key: send `Authorization: Bearer <HEARTH_ADMIN_KEY>`."
        raise ApiError(401, message, code="invalid_admin_key")
    g.api_key = admin


def find_key(authorization: str, keys: Sequence[ApiKey]) -> ApiKey | None:
    """Return the key of `keys` that the header `Authorization` carries, or None."""
    scheme, _, given = authorization.partition(" ")
    given_digest = digest(given.strip().encode("latin-1"))  # WSGI decodes headers as Latin-1
    # Compare with every key, each in constant time, so that the response time reveals nothing about the keys.
    matches = [key for key in keys if hmac.compare_digest(given_digest, key.digest)]
    return matches[0] if matches and scheme.lower() == "bearer" else None


def _is_open() -> bool:
    page = request.path == "/" or request.path.startswith("/page/")  # `POST /` is the plain API
    return request.path in OPEN_PATHS or (page and request.method in ("GET", "HEAD"))


def caller() -> str:
    """Return the `ApiKey.scope` of the request's key, the same for all keys of one name.

    "anyone" where the server has no keys.
    """
    return scope(key())


def scope(key: ApiKey | None) -> str:
    """Return the `ApiKey.scope` of `key`; "anyone" for None."""
    return "anyone" if key is None else key.scope


def key_name(key: ApiKey | None) -> str:
    """Return the name of `key`, for logs; "-" for None."""
    return "-" if key is None else key.name


def key() -> ApiKey | None:
    """Return the request's key; None where the server has no keys."""
    found: ApiKey | None = g.get("api_key") if has_request_context() else None
    return found
