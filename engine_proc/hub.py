"""The model hub, as its library sees it: the cache, whether the hub may be asked, and whether it can be reached."""

import os
import socket
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import getproxies

CONNECT_SECONDS = 5.0
"""How long each address has to accept a connection."""
PORTS = {"http": 80, "https": 443}
SOCKS_PORT = 1080


def cache_directory() -> Path:
    """Return the directory in which the hub's library keeps models, by its rules."""
    for name in ("HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE"):
        if value := os.environ.get(name):
            return _expanded(value)
    home = os.environ.get("HF_HOME") or f"{os.environ.get('XDG_CACHE_HOME') or '~/.cache'}/huggingface"
    return _expanded(home) / "hub"


def is_offline() -> str:
    """Return the name of the variable that forbids to ask the hub. Empty: the hub may be asked."""
    name = "HF_HUB_OFFLINE" if os.environ.get("HF_HUB_OFFLINE") else "TRANSFORMERS_OFFLINE"
    return name if os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") else ""


def unreachable(url: str) -> str:
    """Return why nothing accepts connections for `url`, nor for any proxy that may lead to it. Empty: something does.

    Which proxy is used depends on the library (`NO_PROXY` has several dialects), so one that answers is enough.
    """
    hub = urlsplit(url)
    proxies = getproxies()
    named = [proxies[scheme] for scheme in (hub.scheme, "all") if proxies.get(scheme)]
    targets = [*(urlsplit(proxy if "://" in proxy else f"http://{proxy}") for proxy in named), hub]
    reasons = []
    for target in targets:
        if not (why := _refusal(target)):
            return ""
        reasons.append(why)
    return reasons[0]


def _refusal(target: SplitResult) -> str:
    """Return why the host of an URL accepts no connection. Empty: it does."""
    try:
        port = target.port or PORTS.get(target.scheme, SOCKS_PORT)
        socket.create_connection((target.hostname or "", port), CONNECT_SECONDS).close()
    except (OSError, ValueError) as error:
        return str(getattr(error, "strerror", None) or error)
    return ""


def _expanded(path: str) -> Path:
    return Path(os.path.expanduser(os.path.expandvars(path)))  # noqa: PTH111 (pathlib raises where there is no home)
