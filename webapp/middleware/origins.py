"""Decides which web pages may use the API: cross-origin resource sharing (CORS), and the check of `Origin`."""

from collections.abc import Collection
from urllib.parse import urlsplit

from flask import Flask, Response, request

from schemas.errors import ApiError

ANY = "*"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
METHODS = "GET, POST, DELETE"
EXPOSED = "X-Request-ID, request-id, Retry-After, X-Should-Retry"
"""Response headers that a page of another origin may read."""
PREFLIGHT_SECONDS = "7200"
"""How long a browser may remember the answer to a preflight; Chromium's maximum."""
DEFAULT_PORTS = {"http": 80, "https": 443}


def register(app: Flask, allowed: Collection[str]) -> None:
    """Let the pages of the origins `allowed` use `app`, `*` for all. Refuse (403) what others would change.

    A preflight of an allowed origin is answered before the API key is checked: browsers send none with it.
    """

    @app.before_request
    def check_origin() -> Response | None:
        origin = request.headers.get("Origin")
        if origin is None:  # not a browser, or a page that only reads its own origin
            return None
        if _allows(allowed, origin):
            preflight = request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers
            return _preflight() if preflight else None
        if request.method not in SAFE_METHODS and not _same_origin(origin, request.environ.get("HTTP_HOST", "")):
            raise ApiError(
                403,
                f"Pages of the origin {origin[:200]!r} may not use this server: add it to HEARTH_CORS_ORIGINS if it "
                "is yours.",
                code="origin_not_allowed",
            )
        return None

    if not allowed:
        return

    @app.after_request
    def share(response: Response) -> Response:
        """Let a page of an allowed origin read the response, a stream or an error too."""
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin is not None and _allows(allowed, origin):
            response.headers["Access-Control-Allow-Origin"] = ANY if ANY in allowed else origin
            response.headers["Access-Control-Expose-Headers"] = EXPOSED
        return response


def _allows(allowed: Collection[str], origin: str) -> bool:
    return ANY in allowed or origin.lower() in allowed


def _preflight() -> Response:
    response = Response(status=204)
    response.headers["Access-Control-Allow-Methods"] = METHODS
    # Repeated, because `*` would not include Authorization.
    response.headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "")
    response.headers["Access-Control-Max-Age"] = PREFLIGHT_SECONDS
    response.vary.add("Access-Control-Request-Headers")
    return response


def _same_origin(origin: str, host: str) -> bool:
    """Return whether `origin` is that of `host`. A host without a port has any: nginx's `$host` has none."""
    try:
        page, server = urlsplit(origin), urlsplit(f"//{host}")
        if page.hostname is None or page.hostname != server.hostname:
            return False
        return server.port is None or server.port == (page.port or DEFAULT_PORTS.get(page.scheme))
    except ValueError:
        return False
