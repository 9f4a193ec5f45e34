"""`GET /` and `/status`, pages for people, and their files. Their scripts use the API as any client does."""

from flask import Blueprint, Response, request, send_from_directory

from webapp import page_files

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
"""For what has a version in its path: that of a library in `vendor/`, or this release's."""

blueprint = Blueprint("page", __name__)


@blueprint.get("/")
def chat() -> Response:
    return page(page_files.html(page_files.CHAT))


@blueprint.get("/status")
def status() -> Response:
    return page(page_files.html(page_files.STATUS))


def page(html: str) -> Response:
    """Return the response with `html`, or that the browser has it already (304)."""
    response = Response(html, mimetype="text/html", headers=HEADERS)
    response.add_etag()
    response.make_conditional(request)
    return response


@blueprint.get("/page/<path:name>")
def file(name: str) -> Response:
    version, name = page_files.split(name)
    response = send_from_directory(page_files.FILES, name, mimetype=page_files.media_type(name))
    response.headers.update(HEADERS)
    if name.startswith("vendor/") or version == page_files.version():
        response.headers["Cache-Control"] = FOR_EVER
    return response
