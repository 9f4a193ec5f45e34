"""What the answer to one HTTP request needs to know of the request, whichever way it was routed."""

from dataclasses import dataclass
from typing import Any

from flask import request

from webapp.api_keys import ApiKey
from webapp.middleware import auth, request_id

LOGGED = "hearth.logged"
"""Set in the WSGI environment of a request whose `RequestLog` writes its log line and counts it."""


@dataclass(frozen=True, slots=True)
class Call:
    """One HTTP request."""

    environ: dict[str, Any]
    rule: str
    """The route, which is the path of every request that generates."""
    request_id: str
    """The client's own id; empty where it has none that can be logged."""
    key: ApiKey | None
    """None: the server has no keys."""

    @property
    def scope(self) -> str:
        """`ApiKey.scope`, the same for all keys of one name; "anyone" where the server has no keys."""
        return auth.scope(self.key)


def current() -> Call:
    """Return the request that Flask handles."""
    rule = request.url_rule.rule if request.url_rule is not None else request.path
    return Call(request.environ, rule, request_id.given(), auth.key())
