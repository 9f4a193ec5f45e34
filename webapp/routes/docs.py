"""`GET /openapi.json` and its page `GET /docs`, each built at its first request, because most workers never get one.

Building takes some 50 ms of CPU, so it is done in a thread: the worker's other requests have their turn meanwhile. Both
are sent compressed to clients that take it: the chat page reads the document, and is to be small on a slow connection.
"""

import gzip
from collections.abc import Callable
from contextvars import copy_context
from functools import cache

from flask import Blueprint, Response, render_template, request
from markupsafe import Markup, escape

from schemas.replies.shape import encode_json
from webapp.page_files import with_version
from webapp.routes.page import HEADERS
from webapp.services import services

LANGUAGES = ("en", "zh")
blueprint = Blueprint("docs", __name__, template_folder="../templates")


@blueprint.get("/openapi.json")
def openapi() -> Response:
    return _sent(_json, content_type="application/json", vary=())


@blueprint.get("/docs")
def docs() -> Response:
    """The reference, in the language that `language` in the query names, else in the one that the browser prefers."""
    named = request.args.get("language")
    language = named if named in LANGUAGES else request.accept_languages.best_match(LANGUAGES) or "en"
    response = _sent(_page, language, content_type="text/html; charset=utf-8", vary=("Accept-Language",))
    response.headers.update(HEADERS | {"Content-Language": language})
    return response


def _sent(build: Callable[..., bytes], *values: str, content_type: str, vary: tuple[str, ...]) -> Response:
    packs = request.accept_encodings["gzip"] > 0
    work = (_packed, build, *values) if packs else (build, *values)
    body: bytes = services().loader.apply(copy_context().run, work)
    response = Response(body, content_type=content_type)
    response.vary.update((*vary, "Accept-Encoding"))
    if packs:
        response.content_encoding = "gzip"
    return response


@cache
def _packed(build: Callable[..., bytes], *values: str) -> bytes:
    return gzip.compress(build(*values), mtime=0)


@cache
def _json() -> bytes:
    from schemas.openapi.document import document

    return encode_json(document())


@cache
def _page(language: str) -> bytes:
    from schemas.openapi.document import document
    from schemas.openapi.reference import endpoints
    from webapp.reference.chinese import chinese, in_chinese

    spec = document()
    found = endpoints(spec)
    shown = [in_chinese(endpoint) for endpoint in found] if language == "zh" else found
    groups = [
        (tag["name"], tag["description"], [endpoint for endpoint in shown if endpoint.tag == tag["name"]])
        for tag in spec["tags"]
    ]
    words = chinese if language == "zh" else str
    text = render_template("docs.html", info=spec["info"], groups=groups, language=language, t=words)
    return with_version(text).encode()


@blueprint.app_template_filter("code_spans")
def code_spans(text: str) -> Markup:
    """Return `text` as HTML in which code between backticks is in `<code>` elements."""
    pieces = str(escape(text)).split("`")
    return Markup("".join(f"<code>{piece}</code>" if odd % 2 else piece for odd, piece in enumerate(pieces)))  # noqa: S704
