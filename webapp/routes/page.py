"""`GET /`, `/status` and what they are made of: pages for people, which ask the API as any client does."""

from pathlib import Path

from flask import Blueprint, Response, send_from_directory

FILES = Path(__file__).resolve().parent.parent / "page"
POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "connect-src 'self'",
        "img-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing of another host, nothing written into the page: what a message holds is shown, never run."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-cache",  # asked for again each time, and seldom sent again: a new release shows at once
}

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def chat() -> Response:
    return file("chat.html")


@blueprint.get("/status")
def status() -> Response:
    return file("status.html")


@blueprint.get("/page/<name>")
def file(name: str) -> Response:
    response = send_from_directory(FILES, name)
    response.headers.update(HEADERS)
    return response
