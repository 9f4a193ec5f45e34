"""What gunicorn works out anew for each request, though it is the same for all requests of a worker, or of a second."""

import logging
import time
from typing import Any

from gunicorn import util
from gunicorn.http import message, wsgi

MAX_ADDRESSES = 256
"""Clients whose addresses are kept."""


def work_out_once(cfg: Any) -> None:
    """Change gunicorn so that this worker keeps what each of its requests would work out again."""
    cfg.__dict__.update({name: setting.get() for name, setting in cfg.settings.items()})  # instead of __getattr__
    _keep_environ()
    _keep_date()
    _keep_proxies()
    logging._srcfile = None  # the log lines name neither the code that logs
    logging.logThreads = logging.logMultiprocessing = False  # nor threads: logging's own manual turns these off


def _keep_environ() -> None:
    """Keep the part of the WSGI environment that depends on the configuration alone."""
    base_environ = wsgi.base_environ
    kept: dict[str, Any] = {}

    def copied(cfg: Any) -> dict[str, Any]:
        if not kept:
            kept.update(base_environ(cfg))
        return kept.copy()

    wsgi.base_environ = copied


def _keep_date() -> None:
    """Keep the header `Date` for a second."""
    http_date = util.http_date
    kept = (0, "")

    def of_this_second(timestamp: float | None = None) -> str:
        nonlocal kept
        second = int(time.time() if timestamp is None else timestamp)
        if kept[0] != second:
            kept = second, http_date(second)
        return kept[1]

    util.http_date = of_this_second


def _keep_proxies() -> None:
    """Keep which addresses are those of trusted proxies: `ipaddress` is slow."""
    policy = message.HeaderPolicy
    decide = policy._peer_is_trusted_proxy
    kept: dict[str, bool] = {}

    def is_trusted(request: Any) -> bool:
        if not isinstance(request.peer_addr, tuple):
            return bool(decide(request))
        address = request.peer_addr[0]
        if address not in kept:
            if len(kept) >= MAX_ADDRESSES:
                kept.clear()
            kept[address] = decide(request)
        return kept[address]

    policy._peer_is_trusted_proxy = is_trusted
