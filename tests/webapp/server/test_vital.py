"""A greenlet that fails ends its worker, which is replaced: no worker answers 503 for ever."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import gevent
import httpx
import psutil
import pytest

from bench.stack import free_port, until
from schemas import wire
from schemas.errors import ApiError
from schemas.shared.endpoint import PROJECT_ROOT
from tests.fake_engine import FakeEngine, complete
from tests.webapp.asking import ask, ask_and_hold
from tests.webapp.conftest import wait_until
from webapp.connection import hangups
from webapp.connection.hangups import HangupWatch
from webapp.engine.client import EngineClient
from webapp.server import vital
from webapp.server.vital import spawn_vital


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Gets an item each time that the worker is to end."""
    ends: list[str] = []
    monkeypatch.setattr(vital, "end_worker", lambda: ends.append("end"))
    return ends


def fail(*_: object) -> None:
    raise RuntimeError("a defect")


def test_a_failure_is_logged_and_ends_the_worker(ends: list[str], caplog: pytest.LogCaptureFixture) -> None:
    spawn_vital(fail, lambda: ends.append("cleared up")).join()
    assert ends == ["cleared up", "end"]
    assert "a defect" in caplog.text


def test_clearing_up_that_fails_too_does_not_keep_it(ends: list[str]) -> None:
    spawn_vital(fail, fail).join()
    assert ends == ["end"]


def test_a_greenlet_that_returns_or_is_killed_ends_nothing(ends: list[str]) -> None:
    spawn_vital(lambda: None).join()
    endless = spawn_vital(lambda: gevent.sleep(60))
    gevent.sleep(0)
    endless.kill()
    assert ends == []


def test_the_worker_ends_by_its_masters_signal(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: seen.append(number))
    try:
        vital.end_worker()
        wait_until(lambda: seen)
    finally:
        signal.signal(signal.SIGTERM, before)


def break_receiving(client: EngineClient, engine: FakeEngine) -> None:
    client._on_payload = fail  # type: ignore[method-assign, assignment]


def break_pinging(client: EngineClient, engine: FakeEngine) -> None:
    client.recovery.expire = fail  # type: ignore[method-assign]


@pytest.mark.parametrize("break_it", [break_receiving, break_pinging])
def test_without_the_engine_client_all_requests_fail_and_the_worker_ends(
    engine: FakeEngine,
    wire_client: EngineClient,
    ends: list[str],
    monkeypatch: pytest.MonkeyPatch,
    break_it: Callable[[EngineClient, FakeEngine], None],
) -> None:
    monkeypatch.setattr(wire, "PING_INTERVAL", 0.02)
    stranded = ask_and_hold(engine, wire_client)
    wire_client._strand_all()
    live = ask_and_hold(engine, wire_client)
    break_it(wire_client, engine)
    wait_until(lambda: ends)

    for reply in (stranded, live):
        with pytest.raises(ApiError) as caught:
            reply.deltas()
        assert (caught.value.status, caught.value.code, caught.value.retry_after) == (503, "worker_failed", 1)
    with pytest.raises(ApiError, match="is being replaced"):
        ask(wire_client)
    assert wire_client.live == {}
    wait_until(lambda: wire.Abort(ids=[live.id]) in engine.messages(wire.Abort))


def test_without_the_hangup_watch_the_worker_ends(ends: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hangups, "CHECK_INTERVAL", 0.01)
    watch = HangupWatch()
    reading, writing = os.pipe()
    os.close(reading)
    watch.add(writing, fail, fail)
    wait_until(lambda: ends)
    os.close(writing)


# ---- gunicorn ---------------------------------------------------------------------------------------------------

CONFIGURATION = """
import runpy
globals().update({name: value for name, value in runpy.run_path("gunicorn.conf.py").items() if name[:1] != "_"})

def post_worker_init(worker):
    from webapp.engine.client import EngineClient
    on_message = EngineClient._on_message

    def or_raise(client, message):
        if getattr(message, "code", None) == "poison":
            raise RuntimeError("a defect")
        on_message(client, message)

    EngineClient._on_message = or_raise
"""


@pytest.fixture
def master(tmp_path: Path, engine: FakeEngine) -> Iterator[tuple[psutil.Process, str]]:
    """gunicorn with one worker, whose engine client fails on a certain message."""
    configuration = tmp_path / "conf.py"
    configuration.write_text(CONFIGURATION)
    tmp_path.chmod(0o700)
    bind = f"127.0.0.1:{free_port()}"
    environment = {
        **os.environ,
        "HEARTH_RUN_DIR": str(tmp_path),
        "HEARTH_ENGINE_SPAWN": "0",
        "HEARTH_BIND": bind,
        "WEB_CONCURRENCY": "1",
    }
    gunicorn = [str(Path(sys.executable).with_name("gunicorn")), "-c", str(configuration), "wsgi:app"]
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(gunicorn, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)
    try:
        until(lambda: answers(f"http://{bind}"), 30, "gunicorn answers")
        yield psutil.Process(process.pid), f"http://{bind}"
    finally:
        process.terminate()
        process.wait(30)


def answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/ready", timeout=10).status_code == 200
    except httpx.TransportError:
        return False


def test_gunicorn_replaces_a_worker_whose_client_fails(engine: FakeEngine, master: tuple[psutil.Process, str]) -> None:
    process, url = master
    (worker,) = process.children()
    body = {"prompt": "Once", "stream": True}

    def begin(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=1))
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))

    engine.on_generate = begin
    with httpx.stream("POST", f"{url}/v1/completions", json=body, timeout=30) as response:
        lines = (line.removeprefix("data: ") for line in response.iter_lines() if line)
        assert json.loads(next(lines))["choices"][0]["text"] == "one "
        engine.send(wire.Failed(id=0, status=500, message="", code="poison"))
        assert json.loads(next(lines))["error"]["code"] == "worker_failed"

    worker.wait(30)
    engine.on_generate = complete
    until(lambda: answers(url), 30, "another worker answers")
    reply = httpx.post(f"{url}/v1/completions", json={"prompt": "Once"}, timeout=30)
    assert reply.json()["choices"][0]["text"] == "one two"
