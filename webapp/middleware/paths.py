"""Forgives what base URLs do to paths: `//v1/models`, where a client has joined `http://host/` and `/v1/models`.

And knows which paths are those of Anthropic's API.
"""

import re
from collections.abc import Callable, Iterable
from typing import Any

from flask import Flask

JOINTS = re.compile("^/+(v1/+)?")
"""Where a client joins a base URL and a path. Further on, slashes may belong to the name of a conversation."""

ANTHROPIC = "/v1/messages"

Wsgi = Callable[[dict[str, Any], Any], Iterable[bytes]]


def is_anthropic(path: str) -> bool:
    """Return whether `path` is one of Anthropic's API, which has errors and a header of its own."""
    return path == ANTHROPIC or path.startswith(f"{ANTHROPIC}/")


def register(app: Flask) -> None:
    """Take several slashes before and after `v1` for one, and those at the end for none, without a redirect.

    Clients do not follow a redirect of a POST.
    """
    app.wsgi_app = _merging(app.wsgi_app)  # type: ignore[assignment,method-assign]


def _merging(application: Wsgi) -> Wsgi:
    def merge(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        path, raw = environ["PATH_INFO"], environ.get("RAW_URI", "").partition("?")[0]
        if path == "*":  # `OPTIONS *`: of the whole server
            environ["PATH_INFO"] = "/"
        elif "//" in raw or raw.endswith("/"):  # in the path as it was sent: a name's own slashes are encoded
            surplus = len(raw) - len(raw.rstrip("/"))
            path = path[: len(path) - surplus] or "/"
            environ["PATH_INFO"] = JOINTS.sub(lambda joint: "/v1/" if joint[1] else "/", path)
        return application(environ, start_response)

    return merge
