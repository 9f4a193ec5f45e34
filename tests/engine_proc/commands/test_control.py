"""The command line against nothing, against stand-ins for a running engine, and against a stand-in that it starts."""

import os
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from engine_proc import log_file
from engine_proc.commands import control
from engine_proc.lock import lock_holder
from engine_proc.settings import Settings
from schemas import wire
from tests.engine_proc.answering_thread import LOADING, READY, engine, welcome
from tests.engine_proc.helpers import gone, settings_in
from tests.harness import until

MAIN = """
import signal, sys, time
from pathlib import Path
from engine_proc.lock import take_lock
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


def test_wait_says_once_why_an_engine_that_tries_again_does_not_answer(
    stand_in: Settings, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ten minutes of silence followed a model's name that was mistyped, where there is no network."""
    started(stand_in)
    reads = iter(["", "no hub", "no hub", "", "no hub", "no model"])
    monkeypatch.setattr(control, "ask", lambda *_, **__: None)
    monkeypatch.setattr(control, "read_problem", lambda _: next(reads, "no model"))
    assert control.wait(stand_in, 3) == 3
    lines = [line for line in capsys.readouterr().err.splitlines() if line.startswith("engine: ")]
    assert lines == ["engine: no hub", "engine: no model"]


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
    source = Path(sys.modules["engine_proc.lock"].__file__ or "")
    (package / "lock.py").write_text(source.read_text())
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
    assert capsys.readouterr().out == "no engine is running\n"


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
    assert capsys.readouterr().out == f"an engine is already running (pid {pid})\n"
    assert stand_in.log_file.read_text() == "arguments: serve\n"


def test_stop_says_so_where_the_engine_does_not_end(stand_in: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    pid = started(stand_in, "stubborn")
    assert control.stop(stand_in) == 1
    assert f"pid {pid}" in capsys.readouterr().err
    assert lock_holder(stand_in.lock_file) == pid


def test_a_log_that_has_grown_too_big_is_cut_down(stand_in: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_LOG_BYTES", 100)
    monkeypatch.setattr(log_file, "KEPT_LOG_BYTES", 20)
    stand_in.run_dir.mkdir()
    stand_in.log_file.write_text("x" * 100 + "\nthe reason\n")
    started(stand_in)
    assert stand_in.log_file.read_text() == "the reason\narguments: serve\n"


def test_the_engine_gets_no_secrets_of_the_web_tier(stand_in: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_API_KEYS", "sk-secret")
    monkeypatch.setenv("HEARTH_DATABASE_URL", "postgresql://u:p@h/d")
    environment = psutil.Process(started(stand_in)).environ()
    assert not {"HEARTH_API_KEYS", "HEARTH_DATABASE_URL"} & set(environment)
    assert "PATH" in environment


def test_the_log_is_kept_from_one_engine_to_the_next(stand_in: Settings) -> None:
    stand_in.run_dir.mkdir()
    stand_in.log_file.write_text("before\n")
    started(stand_in)
    assert stand_in.log_file.read_text() == "before\narguments: serve\n"
