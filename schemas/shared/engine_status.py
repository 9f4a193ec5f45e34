"""How an engine is, as one JSON object: what `/status.json` and `python -m engine_proc status --json` tell."""

import time
from typing import Any

import msgspec

from schemas.wire import Pong, Stats, Welcome


def describe(welcome: Welcome, pulse: Pong, stats: Stats | None) -> dict[str, Any]:
    """The model's part is missing until it is loaded, and `stats` where the engine has not told them."""
    told: dict[str, Any] = {
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
        told |= {
            "model": welcome.model,
            "served_names": welcome.served_names,
            "adapters": welcome.adapters,
            "fingerprint": welcome.fingerprint,
            "version": welcome.engine_version,
            "protocol": f"{welcome.major}.{welcome.minor}",
            "max_model_len": welcome.max_model_len,
        }
    if stats is not None:
        # With its zeros, which the wire leaves out.
        histograms = {"ttft": msgspec.structs.asdict(stats.ttft), "itl": msgspec.structs.asdict(stats.itl)}
        told["stats"] = msgspec.structs.asdict(stats) | histograms
    return told
