"""The engine's status as one JSON object, for `/status.json` and `hearth status --json`."""

import time
from typing import Any

import msgspec

from schemas.wire import Pong, Stats, Welcome


def describe(welcome: Welcome, pulse: Pong, stats: Stats | None) -> dict[str, Any]:
    """Return the status as a JSON object.

    The model's fields are missing until it is loaded, and `stats` is missing where it is None.
    """
    status: dict[str, Any] = {
        "stage": pulse.load.stage,
        "progress": pulse.load.progress,
        "pid": welcome.pid,
        "load_count": welcome.load_count,
        "uptime_seconds": max(0, int(time.time()) - welcome.started),
        "live": pulse.live,
        "running": pulse.running,
        "waiting": pulse.waiting,
        "kv_cache_usage": pulse.kv_cache_usage,
    }
    if pulse.load.ready:
        status |= {
            "model": welcome.model,
            "served_names": welcome.served_names,
            "adapters": welcome.adapters,
            "fingerprint": welcome.fingerprint,
            "version": welcome.engine_version,
            "protocol": f"{welcome.major}.{welcome.minor}",
            "max_model_len": welcome.max_model_len,
            "shortcuts": welcome.shortcuts,
        }
    if stats is not None:
        # `asdict` keeps zeros, which the wire's encoding omits.
        histograms = {"ttft": msgspec.structs.asdict(stats.ttft), "itl": msgspec.structs.asdict(stats.itl)}
        status["stats"] = msgspec.structs.asdict(stats) | histograms
    return status
