"""Checks the `Host` of requests to a loopback address, against DNS rebinding.

A page at `evil.example` can have its name resolve to 127.0.0.1. The browser then takes a Hearth on the reader's
machine for the page's own server, and lets the page read conversations. But the browser still sends the page's own name
as `Host`, which no script can change. Nor can a script set `Via`, which browsers reserve for proxies.
"""

from collections.abc import Callable, Collection, Mapping
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from flask import Flask, request

from schemas.errors import ApiError
from webapp.settings import host_name

ANY = "*"
PROXY = "hearth"
"""The name by which a reverse proxy in front of Hearth calls itself in `Via` (deploy/nginx/hearth.conf)."""


def register(app: Flask, names: Collection[str], bind: str) -> None:
    """Refuse (403) a request that reached `app` on a loopback address under a host name that is not allowed.

    Allowed are `names` (`*` for all) and those in gunicorn's setting `bind`. IP addresses and `localhost` always are,
    with any port: no DNS server decides what they mean.
    """
    is_allowed = make_check(names, bind)

    @app.before_request
    def check_host() -> None:
        if not is_allowed(request.environ):
            host = request.environ["HTTP_HOST"]
            raise ApiError(
                403,
                f"The host {host[:200]!r} is not allowed: add its name to HEARTH_ALLOWED_HOSTS if it is yours.",
                code="host_not_allowed",
            )


def make_check(names: Collection[str], bind: str) -> Callable[[Mapping[str, Any]], bool]:
    """Return a function that tells whether a request's host is allowed, given its WSGI environment."""
    addresses = [address for address in bind.split(",") if not address.startswith(("unix:", "fd:"))]
    allowed = {*names, *map(host_name, addresses), "localhost"}

    @lru_cache(maxsize=64)
    def is_good(host: str) -> bool:
        name = host_name(host)
        return name is not None and (name in allowed or _is_address(name))

    def is_allowed(environ: Mapping[str, Any]) -> bool:
        host = environ.get("HTTP_HOST", "")  # browsers always send one
        if not host or ANY in names or not _is_loopback(environ["SERVER_NAME"]):
            return True
        return _from_proxy(environ) or is_good(host)

    return is_allowed


def _from_proxy(environ: Mapping[str, Any]) -> bool:
    """Return whether a reverse proxy that is set up for Hearth has sent the request: it decides about hosts itself."""
    via = environ.get("HTTP_VIA")
    return via is not None and any(hop.split()[1:2] == [PROXY] for hop in via.split(","))


@lru_cache(maxsize=64)
def _is_loopback(address: str) -> bool:
    """Return whether `address`, on which the connection was accepted, is one of this machine alone.

    On a Unix socket gunicorn gives the `Host` here: then a name that is not a loopback address is not checked.
    """
    return address == "localhost" or (_is_address(address) and ip_address(address).is_loopback)


def _is_address(name: str) -> bool:
    try:
        ip_address(name)
    except ValueError:
        return False
    return True
