"""`GET /` and `/status`, pages for people, and their files. Their scripts use the API as any client does."""

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

FILES = Path(__file__).resolve().parent.parent / "page"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "font-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "manifest-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Allows no content of other hosts, no inline scripts and no inline styles: a message is shown, never executed."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # revalidated at each use, so that a new release is seen at once
}

FOR_EVER = "public, max-age=31536000, immutable"
"""For files in `vendor/`: their directories have the libraries' versions in their names."""

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def chat() -> Response:
    return file("chat/chat.html")


@blueprint.get("/status")
def status() -> Response:
    return file("status/status.html")


@blueprint.get("/page/<path:name>")
def file(name: str) -> Response:
    response = send_from_directory(FILES, name)
    response.headers.update(HEADERS)
    if name.startswith("vendor/"):
        response.headers["Cache-Control"] = FOR_EVER
    return response
