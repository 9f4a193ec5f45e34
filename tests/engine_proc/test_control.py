"""The command line against nothing, against stand-ins for a running engine, and against a stand-in that it starts."""

import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
import zmq

from engine_proc import control
from engine_proc.processes import lock_holder
from engine_proc.settings import Settings
from schemas import wire
from tests.engine_proc.helpers import gone, settings_in
from tests.harness import until

READY = wire.Load(ready=True, stage="ready", progress=1.0)
LOADING = wire.Load(stage="loading demo", progress=0.42)

MAIN = """
import signal, sys, time
from pathlib import Path
from engine_proc.processes import take_lock
print("arguments:", *sys.argv[1:], flush=True)
if sys.argv[-1] == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
lock = take_lock(Path({lock!r}))
time.sleep(600)
"""


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.5)
    monkeypatch.setattr(control, "STOP_SECONDS", 1.0)


@contextmanager
def engine(settings: Settings, welcome: wire.Message, *loads: wire.Load) -> Iterator[None]:
    """A thread that answers at the endpoint: `Ping` with one load after another, the last for ever."""
    loads_left = list(loads) or [READY]
    context, bound, ended = zmq.Context(), threading.Event(), threading.Event()

    def answer() -> None:
        with context.socket(zmq.ROUTER) as socket:
            socket.bind(settings.endpoint)
            bound.set()
            while not ended.is_set():
                if not socket.poll(20):
                    continue
                client, payload = socket.recv_multipart()
                if isinstance(wire.decode_to_engine(payload), wire.Ping):
                    load = loads_left.pop(0) if len(loads_left) > 1 else loads_left[0]
                    socket.send_multipart([client, wire.encode(wire.Pong(instance="i", load=load, live=7))])
                else:
                    socket.send_multipart([client, wire.encode(welcome)])

    thread = threading.Thread(target=answer)
    thread.start()
    bound.wait(5)
    try:
        yield
    finally:
        ended.set()
        thread.join()
        context.term()


def welcome(load: wire.Load) -> wire.Welcome:
    return wire.Welcome(
        major=wire.MAJOR,
        minor=wire.MINOR,
        instance="i",
        pid=4321,
        load_count=3,
        load=load,
        model="/models/demo",
        served_names=["demo"] if load.ready else [],
        fingerprint="f" * 32,
        max_model_len=2048,
        engine_version="vllm 0",
    )


# ---- status -----------------------------------------------------------------------------------------------------


def test_status_where_nothing_runs(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert control.status(settings) == 1
    assert capsys.readouterr().out == f"engine     none answers at {settings.endpoint}\n"


def rows(out: str) -> dict[str, str]:
    return {line[:14].strip(): line[14:] for line in out.splitlines()}


def test_status_of_a_ready_engine(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, welcome(READY)):
        assert control.status(settings) == 0
    shown = rows(capsys.readouterr().out)
    assert shown["engine"] == "ready"
    assert shown["pid"] == "4321"
    assert shown["load count"] == "3"
    assert shown["supervisor"] == "none"
    assert shown["model"] == "demo (/models/demo)"
    assert shown["fingerprint"] == "f" * 32
    assert shown["context"] == "2048 tokens"
    assert shown["live requests"] == "7"


def test_status_of_an_engine_that_is_loading(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, welcome(LOADING)):
        assert control.status(settings) == 3
    shown = rows(capsys.readouterr().out)
    assert shown["engine"] == "loading demo, about 42%"
    assert "model" not in shown


def test_status_of_an_engine_of_another_protocol(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, wire.Refused(message="upgrade the web tier")):
        assert control.status(settings) == 1
    assert capsys.readouterr().out == "engine     upgrade the web tier\n"


# ---- wait -------------------------------------------------------------------------------------------------------


def test_wait_where_nothing_runs_points_to_the_log(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert control.wait(settings, 30) == 1
    assert str(settings.log_file) in capsys.readouterr().err


def test_wait_tells_each_stage_once_and_returns_when_ready(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    with engine(settings, welcome(LOADING), LOADING, LOADING, replace_stage("warming up"), READY):
        assert control.wait(settings, 30) == 0
    lines = [line for line in capsys.readouterr().err.splitlines() if line]
    assert lines == ["engine: loading demo", "engine: warming up", "engine: ready"]


def test_wait_gives_up_after_its_seconds(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, welcome(LOADING), LOADING):
        assert control.wait(settings, 0.6) == 3
    assert "not ready after 1 s" in capsys.readouterr().err


def replace_stage(stage: str) -> wire.Load:
    return wire.Load(stage=stage, progress=0.9)


# ---- start and stop ---------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Settings]:
    """`python -m engine_proc serve` is a process that holds the lock; settings of a run directory not there yet."""
    settings = replace(settings, run_dir=tmp_path / "run")
    package = tmp_path / "engine_proc"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "__main__.py").write_text(MAIN.format(lock=str(settings.lock_file)))
    source = Path(sys.modules["engine_proc.processes"].__file__ or "")
    (package / "processes.py").write_text(source.read_text())
    monkeypatch.setattr(control, "PROJECT_ROOT", tmp_path)
    yield settings
    if (holder := lock_holder(settings.lock_file)) is not None:
        os.kill(holder, 9)


def started(settings: Settings, *extra: str) -> int:
    assert control.start(settings, list(extra)) == 0
    holder = until(lambda: settings.lock_file.exists() and lock_holder(settings.lock_file), 10, "it holds the lock")
    assert isinstance(holder, int)
    return holder


def test_stop_where_nothing_runs(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert control.stop(settings) == 0
    assert capsys.readouterr().out == "no engine runs\n"


def test_start_detaches_an_engine_that_stop_ends(stand_in: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    pid = started(stand_in, "--max-model-len", "64")
    assert capsys.readouterr().out == f"engine started (pid {pid}), log in {stand_in.log_file}\n"
    assert os.getpgid(pid) == pid, "a Ctrl-C or a hang-up of this terminal would reach it"
    assert os.getsid(pid) == os.getsid(0), "the kernel would share the cores out between the two tiers"
    assert stand_in.run_dir.stat().st_mode & 0o777 == 0o700
    assert stand_in.log_file.read_text() == "arguments: serve --max-model-len 64\n"
    assert control.stop(stand_in) == 0
    assert capsys.readouterr().out == f"engine stopped (pid {pid})\n"
    assert gone(pid)


def test_start_where_one_runs_starts_no_other(stand_in: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    pid = started(stand_in)
    capsys.readouterr()
    assert control.start(stand_in, []) == 0
    assert capsys.readouterr().out == f"an engine already runs (pid {pid})\n"
    assert stand_in.log_file.read_text() == "arguments: serve\n"


def test_stop_says_so_where_the_engine_does_not_end(stand_in: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    pid = started(stand_in, "stubborn")
    assert control.stop(stand_in) == 1
    assert f"pid {pid}" in capsys.readouterr().err
    assert lock_holder(stand_in.lock_file) == pid


def test_a_log_that_has_grown_too_big_begins_anew(stand_in: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "MAX_LOG_BYTES", 100)
    stand_in.run_dir.mkdir()
    stand_in.log_file.write_text("x" * 101)
    started(stand_in)
    assert stand_in.log_file.read_text() == "arguments: serve\n"


def test_the_log_is_kept_from_one_engine_to_the_next(stand_in: Settings) -> None:
    stand_in.run_dir.mkdir()
    stand_in.log_file.write_text("before\n")
    started(stand_in)
    assert stand_in.log_file.read_text() == "before\narguments: serve\n"
