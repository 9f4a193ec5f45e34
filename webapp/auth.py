"""API keys, as OpenAI's clients send them: `Authorization: Bearer <key>`."""

import hashlib
import hmac
from collections.abc import Sequence

from flask import Flask, request

from schemas.errors import ApiError

OPEN_PATHS = frozenset({"/health", "/ready"})
"""Probes carry no key."""


def register(app: Flask, keys: Sequence[str]) -> None:
    """Ask for one of `keys` on every path but the probes; without keys, for none."""
    digests = [_digest(key) for key in keys]
    if not digests:
        return

    @app.before_request
    def check_key() -> None:
        if request.path in OPEN_PATHS:
            return
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        given_digest = _digest(given.strip())
        # Every key is compared, each in constant time: the answer's time tells nothing.
        matches = [hmac.compare_digest(given_digest, digest) for digest in digests]
        if scheme.lower() != "bearer" or not any(matches):
            raise ApiError(
                401,
                "Incorrect API key provided." if given else "No API key provided: send `Authorization: Bearer <key>`.",
                code="invalid_api_key",
            )


def _digest(key: str) -> bytes:
    return hashlib.sha256(key.encode("utf-8", "surrogateescape")).digest()
