"""Nothing in gunicorn's master grows with the number of reloads: each runs gunicorn.conf.py once more."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

from schemas.shared.endpoint import PROJECT_ROOT

MASTER = """
import gc, json, runpy, sys
from gunicorn.http import wsgi
from gunicorn import util

def figures():
    gc.collect()
    return {
        "response": len(wsgi.Response.__mro__),
        "write_error": util.write_error.__module__,
        "path": len(sys.path),
        "classes": sum(isinstance(thing, type) for thing in gc.get_objects()),
        "modules": len(sys.modules),
        "ours": sorted(name for name in sys.modules if name.partition(".")[0] in {"webapp", "schemas", "engine_proc"}),
    }

seen = []
for reload in range(40):
    runpy.run_path("gunicorn.conf.py")
    if reload in (4, 39):
        seen.append(figures())
print(json.dumps(seen))
"""


def test_a_reload_leaves_nothing_behind_in_the_master(tmp_path: Path) -> None:
    environment = {**os.environ, "HEARTH_RUN_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", MASTER],
        cwd=PROJECT_ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    early, late = json.loads(done.stdout)
    assert early == late
    assert late["write_error"] == "gunicorn.util", "gunicorn is changed in its workers alone"
    assert late["ours"] == []


def test_the_worker_changes_gunicorn_in_its_own_process(monkeypatch: Any) -> None:
    from gunicorn import util
    from gunicorn.http import wsgi
    from gunicorn.workers.ggevent import GeventWorker

    from webapp.server.response import HearthResponse
    from webapp.server.worker import HearthWorker

    monkeypatch.setattr(wsgi, "Response", wsgi.Response)
    monkeypatch.setattr(util, "write_error", util.write_error)
    seen: list[Any] = []
    monkeypatch.setattr(GeventWorker, "init_process", lambda self: seen.append((wsgi.Response, util.write_error)))
    kept: list[Any] = []
    monkeypatch.setattr("webapp.server.worker.work_out_once", kept.append)
    worker = HearthWorker.__new__(HearthWorker)
    worker.cfg = "its configuration"
    worker.init_process()
    ((response, write_error),) = seen
    assert kept == ["its configuration"]
    assert response is HearthResponse
    assert write_error.__module__ == "webapp.server.worker"
