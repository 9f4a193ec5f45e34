"""`GET /metrics` for Prometheus, and `GET /status.json`, of which the page at /status is made."""

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


@blueprint.get("/metrics")
def prometheus() -> Response:
    """The web tier's figures, and those of the engine where it answers."""
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
    return {"engine": _engine_status(services().engine), "web": {"version": VERSION, "workers": _workers()}}


def _engine_status(engine: EngineClient) -> dict[str, Any]:
    told: dict[str, Any] = {"state": engine.state(), "stage": engine.load.stage, "progress": engine.load.progress}
    welcome, pulse = engine.welcome, _pulse(engine)
    if welcome is None or pulse is None:
        return told
    stats = engine.ask(wire.AskStats(), wire.Stats) if engine.load.ready else None
    return describe(welcome, pulse, stats) | told


def _pulse(engine: EngineClient) -> wire.Pong | None:
    return None if engine.welcome is None else engine.ask(wire.Ping(), wire.Pong)


def _workers() -> list[dict[str, Any]]:
    """The workers of this worker's master. Others of this host, after a USR2, are the other master's."""
    import psutil  # not before somebody asks

    master = psutil.Process(os.getppid())
    workers = []
    for child in master.children():
        try:
            if "engine_proc" not in child.cmdline():  # which the master may just be starting
                age = max(0.0, time.time() - child.create_time())
                workers.append({"pid": child.pid, "age_seconds": round(age, 1), "rss_bytes": child.memory_info().rss})
        except psutil.Error:
            continue  # it has just ended
    return sorted(workers, key=lambda worker: worker["pid"])
