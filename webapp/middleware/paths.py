"""Forgives what base URLs do to paths: `//v1/models`, where a client has joined `http://host/` and `/v1/models`."""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

SLASHES = re.compile("//+")

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def register(app: Flask) -> None:
    """Take several slashes for one, and a slash at the end of a path for none, without a redirect.

    Clients do not follow a redirect of a POST.
    """
    app.wsgi_app = _merging(app.wsgi_app)  # type: ignore[assignment,method-assign]


def _merging(application: Wsgi) -> Wsgi:
    def merge(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path.endswith("/") or "//" in path:
            environ["PATH_INFO"] = SLASHES.sub("/", path).removesuffix("/") or "/"
        elif path == "*":  # `OPTIONS *`: of the whole server
            environ["PATH_INFO"] = "/"
        return application(environ, start_response)

    return merge
