"""API keys, as OpenAI's clients send them: `Authorization: Bearer <key>`."""

import hashlib
import hmac
from collections.abc import Sequence

from flask import Flask, g, request

from schemas.errors import ApiError

OPEN_PATHS = frozenset({"/health", "/ready", "/openapi.json", "/docs"})
"""Probes carry no key, and the documentation holds no secret."""


def register(app: Flask, keys: Sequence[str]) -> None:
    """Ask for one of `keys` on every path but `OPEN_PATHS`; without keys, for none."""
    digests = [_digest(key.encode()) for key in keys]
    if not digests:
        return

    @app.before_request
    def check_key() -> None:
        if request.path in OPEN_PATHS:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given_digest = _digest(given.strip().encode("latin-1"))  # as WSGI has decoded it
        # Every key is compared, each in constant time: the answer's time tells nothing.
        matches = [hmac.compare_digest(given_digest, digest) for digest in digests]
        if scheme.lower() != "bearer" or not any(matches):
            raise ApiError(
                401,
                "Incorrect API key provided." if given else "No API key provided: send `Authorization: Bearer <key>`.",
                code="invalid_api_key",
            )
        g.key_digest = given_digest.hex()


def caller() -> str:
    """Tells apart those who ask: the digest of the key in use, "anyone" where none is asked for."""
    digest: str = g.get("key_digest", "anyone")
    return digest


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
