"""`GET /metrics` for Prometheus, and `GET /status.json` for the page at /status."""

import math
import os
import time
from typing import Any

from flask import Blueprint, Response

from schemas import wire
from schemas.shared.engine_status import describe
from schemas.shared.version import VERSION
from webapp.engine.client import EngineClient
from webapp.observing import metrics
from webapp.services import services

blueprint = Blueprint("operate", __name__)

KEPT_SECONDS = 1.0
"""How long the list of workers is used again."""


@blueprint.get("/metrics")
def prometheus() -> Response:
    """Return the metrics of the web tier, and those of the engine if it answers."""
    engine = services().engine
    state = engine.state()
    welcome, pulse = engine.welcome, _pulse(engine)
    text = metrics.text(metrics.EngineFigures(state, welcome, pulse))
    if pulse is not None and welcome is not None and wire.METRICS in welcome.features:
        answer = engine.ask(wire.AskMetrics(), wire.Metrics)
        text += answer.text.encode() if answer is not None else b""
    return Response(text, content_type="text/plain; version=0.0.4; charset=utf-8")


@blueprint.get("/status.json")
def status() -> dict[str, Any]:
    return {"engine": _engine_status(services().engine), "web": {"version": VERSION, "workers": _workers.get()}}


def _engine_status(engine: EngineClient) -> dict[str, Any]:
    state: dict[str, Any] = {"state": engine.state(), "stage": engine.load.stage, "progress": engine.load.progress}
    welcome, pulse = engine.welcome, _pulse(engine)
    if problem := engine.problem:
        state["problem"] = problem
    if welcome is None or pulse is None:
        return state
    stats = engine.ask(wire.AskStats(), wire.Stats) if engine.load.ready else None
    return describe(welcome, pulse, stats) | state


def _pulse(engine: EngineClient) -> wire.Pong | None:
    return None if engine.welcome is None else engine.ask(wire.Ping(), wire.Pong)


class _Workers:
    """The workers of this host, looked up at most once in `KEPT_SECONDS`, in a thread: it looks at every process."""

    def __init__(self) -> None:
        self._found: list[dict[str, Any]] = []
        self._found_at = -math.inf

    def get(self) -> list[dict[str, Any]]:
        if time.monotonic() - self._found_at >= KEPT_SECONDS:
            self._found_at = time.monotonic()  # others get the workers found before, meanwhile
            self._found = services().loader.apply(_find_workers)
        return self._found


_workers = _Workers()


def _find_workers() -> list[dict[str, Any]]:
    """Return the workers of this worker's master. After a USR2, another master may run workers on this host too."""
    import psutil  # only a status page needs it

    master = psutil.Process(os.getppid())
    workers = []
    for child in master.children():
        try:
            if "engine_proc" not in child.cmdline():  # the engine, if the master has just started it
                age = max(0.0, time.time() - child.create_time())
                workers.append({"pid": child.pid, "age_seconds": round(age, 1), "rss_bytes": child.memory_info().rss})
        except psutil.Error:
            continue  # the process has just ended
    return sorted(workers, key=lambda worker: worker["pid"])
