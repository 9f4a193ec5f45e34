"""The command `status`: show the state of the engine, as text or as JSON."""

import json
import time
from typing import Any

from engine_proc.commands.asking import ask
from engine_proc.lock import lock_holder
from engine_proc.settings import Settings
from schemas import wire
from schemas.shared.engine_status import describe
from schemas.shared.problem import read_problem

READY, NONE, LOADING = 0, 1, 3
"""Exit statuses."""


def status(settings: Settings, *, as_json: bool = False) -> int:
    """Print the state of the engine. Returns the exit status.

    `NONE`: no engine answers, or one of an incompatible wire protocol.
    """
    hello = wire.Hello(major=wire.MAJOR, minor=wire.MINOR, client="status")
    replies = ask(settings.endpoint, hello, wire.Ping(), wire.AskStats(), keys=settings.client_keys())
    problem = _absent(settings) if replies is None else None
    if replies is not None and isinstance(replies[0], wire.Refused):
        problem = replies[0].message
    if replies is None or problem is not None:
        print(json.dumps({"state": "gone", "problem": problem}) if as_json else f"engine     {problem}")
        return NONE
    welcome, pong, stats = replies
    description = describe(welcome, pong, stats if isinstance(stats, wire.Stats) else None)
    state = "ready" if pong.load.ready else "loading"
    supervisor = lock_holder(settings.lock_file)
    if as_json:
        print(json.dumps({"state": state, "endpoint": settings.endpoint, "supervisor": supervisor, **description}))
    else:
        rows = {"endpoint": settings.endpoint, "supervisor": supervisor or "none", **_rows(welcome, pong)}
        if isinstance(stats, wire.Stats):
            rows |= _figures(stats)
        print(f"{'engine':14}{_state(pong.load)}")
        for name, value in rows.items():
            print(f"{name:14}{value}")
    return READY if pong.load.ready else LOADING


def _absent(settings: Settings) -> str:
    why = read_problem(settings.run_dir)
    return f"no answer from {settings.endpoint}{f': {why}' if why else ''}"


def _state(load: wire.Load) -> str:
    return load.stage if load.ready else f"{load.stage}, about {load.progress:.0%}"


def _rows(welcome: wire.Welcome, pong: wire.Pong) -> dict[str, Any]:
    rows: dict[str, Any] = {
        "pid": welcome.pid,
        "load count": welcome.load_count,
        "up": duration(time.time() - welcome.started),
    }
    if pong.load.ready:
        rows |= {
            "model": f"{welcome.served_names[0]} ({welcome.model})",
            "adapters": ", ".join(welcome.adapters) or "none",
            "fingerprint": welcome.fingerprint,
            "context": f"{welcome.max_model_len} tokens",
            "shortcuts": ", ".join(welcome.shortcuts) or "none",
            "version": f"{welcome.engine_version}, wire protocol {welcome.major}.{welcome.minor}",
            "live requests": pong.live,
            "running": pong.running,
            "waiting": pong.waiting,
            "kv cache": f"{pong.kv_cache_usage:.1%}",
        }
    return rows


def _figures(stats: wire.Stats) -> dict[str, Any]:
    hits, queries = stats.prefix_cache_hits, stats.prefix_cache_queries
    return {
        "prefix cache": f"{hits / queries:.1%} of {queries:,} tokens" if queries else "no queries yet",
        "tokens": f"{stats.prompt_tokens:,} in prompts, {stats.generated_tokens:,} generated",
        "ttft": _latencies(stats.ttft),
        "itl": _latencies(stats.itl),
    }


def _latencies(histogram: wire.Histogram) -> str:
    p50, p99 = quantile(histogram, 0.5), quantile(histogram, 0.99)
    return "none yet" if p50 is None else f"p50 {p50:.3g} s, p99 {p99:.3g} s"


def duration(seconds: float) -> str:
    """Return the two largest units of a duration: `3 d 4 h`, `12 s`."""
    left = int(seconds)
    parts: list[str] = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        count, left = divmod(left, size)
        if count or parts or unit == "s":
            parts.append(f"{count} {unit}")
    return " ".join(parts[:2])


def quantile(histogram: wire.Histogram, share: float) -> float | None:
    """Return the value that `share` (0 to 1) of the values do not exceed, as `histogram_quantile` of Prometheus does.

    The values of a bucket are taken to lie evenly in it. The last one has no end: its lower bound stands for all in it.
    None: the histogram is empty.
    """
    wanted = share * sum(histogram.counts)
    if not wanted:
        return None
    lower = 0.0
    for bound, count in zip(histogram.bounds, histogram.counts, strict=False):
        if count and wanted <= count:
            return lower + (bound - lower) * wanted / count
        wanted -= count
        lower = bound
    return lower
