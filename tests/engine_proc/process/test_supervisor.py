"""The supervisor over real processes, with a stand-in for the one that loads the model."""

import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engine_proc.exit_status import EXIT_ENGINE_GONE, EXIT_LOAD_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from engine_proc.lock import lock_holder
from engine_proc.process.supervisor import MAX_FAILED_LOADS, Supervisor
from schemas.shared.endpoint import PROJECT_ROOT
from schemas.shared.problem import read_problem, record_problem
from tests.engine_proc.helpers import gone, settings_in
from tests.harness import until

MODEL_PROCESS = """
import json, os, signal, subprocess, sys, time
from pathlib import Path
from engine_proc.children import die_with_parent

die_with_parent()
acts, life = sys.argv[1:], int(os.environ["HEARTH_LOAD_COUNT"])
act = acts[min(life, len(acts)) - 1]
pids = [os.getpid()]
if act == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if act == "chatty":
    for number in range(100_000):
        print(f"line {number}", file=sys.stderr, flush=True)
    Path("chatted").touch()
if act in ("stay", "chatty"):
    signal.signal(signal.SIGTERM, lambda *_: (Path("farewell").touch(), os._exit(0)))
if act == "helped-crash":
    helper = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE, stderr=subprocess.DEVNULL)
if act in ("brood", "brood-crash"):
    script = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print(flush=True); time.sleep(600)"
    child = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE)
    child.stdout.readline()
    pids.append(child.pid)
with Path("lives").open("a") as lives:
    record = {"life": life, "argv": acts, "pids": pids, "group": os.getpgrp(), "environment": list(os.environ)}
    lives.write(json.dumps(record) + "\\n")
if act.startswith("loaded"):
    os.write(int(os.environ["HEARTH_PULSE_FD"]), b"..+")
    time.sleep(0.5)
if act in ("crash", "loaded-crash", "brood-crash", "helped-crash"):
    os.kill(os.getpid(), signal.SIGKILL)
if act[0].isdigit():
    status, _, problem = act.partition(":")
    if problem:
        Path("run/engine.problem").write_text(problem)
    sys.exit(int(status))
time.sleep(600)
"""

SUPERVISOR = """
import os, sys
from dataclasses import replace
from pathlib import Path
from engine_proc import log_file
from engine_proc.process import supervisor
from tests.engine_proc.helpers import settings_in

root, nap = Path(sys.argv[1]), float(sys.argv[2])
supervisor.UNREACHABLE_SECONDS = float(sys.argv[3])
supervisor.PROJECT_ROOT, supervisor.STOP_GRACE = root, 0.5
supervisor.GROUP_GRACE = float(os.environ.get("GROUP_GRACE", supervisor.GROUP_GRACE))
log_file.MAX_LOG_BYTES, log_file.KEPT_LOG_BYTES = 100_000, 20_000
sleep = supervisor.Supervisor._sleep

def _sleep(self, seconds):
    with (root / "backoffs").open("a") as file:
        print(seconds, file=file)
    if nap:
        sleep(self, nap)

supervisor.Supervisor._sleep = _sleep
settings = replace(settings_in(root / "run"), stall_seconds=float(os.environ.get("STALL_SECONDS", 60)))
sys.exit(supervisor.Supervisor(settings, sys.argv[4:]).run())
"""

FIRST_PROCESS = """
import ctypes, subprocess, sys
ctypes.CDLL(None).prctl(36, 1)
sys.exit(subprocess.run(sys.argv[1:]).returncode)
"""
"""What a container's program does as its first process: it is the parent of all orphans, and looks after none."""


class Stage:
    """A directory in which `python -m engine_proc.process.model_process` is the stand-in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.started: list[subprocess.Popen[str]] = []
        package = root / "engine_proc" / "process"
        package.mkdir(parents=True)
        (package / "model_process.py").write_text(MODEL_PROCESS)
        shutil.copy(PROJECT_ROOT / "engine_proc/adapter/loading/children.py", package.parent)

    def start(
        self,
        *acts: str,
        nap: float = 0,
        hub_seconds: float = 600,
        stderr: int = subprocess.PIPE,
        under: Sequence[str] = (),
        env: dict[str, str] | None = None,
    ) -> "subprocess.Popen[str]":
        """A supervisor whose model process does one act per life, and the last one for ever.

        Each back-off is noted, and takes `nap` seconds. The command `under` runs the supervisor.
        """
        command = [*under, sys.executable, "-c", SUPERVISOR, str(self.root), str(nap), str(hub_seconds), *acts]
        process = subprocess.Popen(
            command, cwd=PROJECT_ROOT, stderr=stderr, env={**os.environ, **(env or {})}, text=True
        )
        self.started.append(process)
        return process

    def run(self, *acts: str) -> int:
        return self.start(*acts).wait(30)

    @property
    def lives(self) -> list[dict[str, Any]]:
        file = self.root / "lives"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    @property
    def backoffs(self) -> list[float]:
        file = self.root / "backoffs"
        return [float(line) for line in file.read_text().split()] if file.exists() else []

    @property
    def pids(self) -> list[int]:
        return [pid for life in self.lives for pid in life["pids"]]

    def holder(self) -> int | None:
        return lock_holder(self.root / "run" / "engine.lock")

    def wait_for_life(self, number: int) -> None:
        until(lambda: len(self.lives) >= number, 10, f"the model process lives for the {number}. time")

    def all_gone(self) -> bool:
        return all(gone(pid) for pid in self.pids)


@pytest.fixture
def stage(tmp_path: Path) -> Iterator[Stage]:
    stage = Stage(tmp_path)
    yield stage
    for process in stage.started:
        process.kill()
    for pid in stage.pids:
        if not gone(pid):
            os.kill(pid, signal.SIGKILL)
    for process in stage.started:
        process.communicate()


# ---- restarts ---------------------------------------------------------------------------------------------------


def test_the_model_process_gets_the_flags_and_the_number_of_its_life(stage: Stage) -> None:
    assert stage.run("crash", f"{EXIT_USAGE}") == EXIT_USAGE
    assert [life["life"] for life in stage.lives] == [1, 2]
    assert all(life["argv"] == ["crash", f"{EXIT_USAGE}"] for life in stage.lives)


def test_it_is_started_again_with_doubled_and_bounded_back_off(stage: Stage) -> None:
    assert stage.run(*["crash"] * 6, f"{EXIT_ENGINE_GONE}", f"{EXIT_USAGE}") == EXIT_USAGE
    assert stage.backoffs == [1, 2, 4, 8, 16, 30, 30]


def test_a_model_that_was_loaded_resets_the_back_off(stage: Stage) -> None:
    assert stage.run("crash", "crash", "loaded-crash", "loaded-crash", "crash", f"{EXIT_USAGE}") == EXIT_USAGE
    assert stage.backoffs == [1, 2, 1, 1, 2]


def test_the_back_off_is_waited_for(stage: Stage) -> None:
    process = stage.start("crash", "stay", nap=1)
    until(lambda: stage.backoffs, 10, "the first crash was seen")
    assert len(stage.lives) == 1
    stage.wait_for_life(2)
    process.terminate()
    assert process.wait(10) == 0


def test_it_gives_up_after_loads_that_failed_in_a_row(stage: Stage) -> None:
    assert stage.run(f"{EXIT_LOAD_FAILED}") == EXIT_LOAD_FAILED
    assert len(stage.lives) == MAX_FAILED_LOADS


def test_a_hub_that_cannot_be_reached_is_waited_for_with_pauses(stage: Stage) -> None:
    """At a boot the network comes up after the engine: three attempts were over in three seconds."""
    attempts = [f"{EXIT_UNREACHABLE}"] * (MAX_FAILED_LOADS + 4)
    assert stage.run(*attempts, f"{EXIT_USAGE}") == EXIT_USAGE
    assert len(stage.lives) == len(attempts) + 1
    assert stage.backoffs == [1, 2, 4, 8, 16, 30, 30]


def test_a_hub_is_not_waited_for_for_ever(stage: Stage) -> None:
    process = stage.start(f"{EXIT_UNREACHABLE}", nap=0.2, hub_seconds=0.1)
    assert process.wait(30) == EXIT_UNREACHABLE
    assert len(stage.lives) == 2


def test_failed_loads_that_are_not_in_a_row_do_not_add_up(stage: Stage) -> None:
    failed = f"{EXIT_LOAD_FAILED}"
    assert stage.run(failed, failed, "crash", failed, failed, "crash", f"{EXIT_USAGE}") == EXIT_USAGE
    assert len(stage.lives) == 7


def test_a_process_without_a_heartbeat_is_killed_later_while_it_loads(stage: Stage) -> None:
    process = stage.start("loaded-silent", "silent", f"{EXIT_USAGE}", env={"STALL_SECONDS": "0.6"})
    _, told = process.communicate(timeout=30)
    assert process.returncode == EXIT_USAGE
    loaded, loading = (int(seconds) for seconds in re.findall(r"sent no heartbeat for (\d+) s", told))
    assert loaded < 3 <= loading


def test_a_usage_error_ends_it_at_once(stage: Stage) -> None:
    assert stage.run(f"{EXIT_USAGE}") == EXIT_USAGE
    assert len(stage.lives) == 1
    assert stage.backoffs == []


@pytest.mark.parametrize(
    ("act", "problem"),
    [(f"{EXIT_USAGE}", f"its process ended with status {EXIT_USAGE}"), (f"{EXIT_USAGE}:no model", "no model")],
)
def test_why_the_last_life_ended_is_stored(stage: Stage, act: str, problem: str) -> None:
    stage.run("crash", act)
    assert read_problem(stage.root / "run") == problem


def test_a_new_life_and_a_stop_forget_it(stage: Stage) -> None:
    process = stage.start("crash", "stay", nap=1)
    until(lambda: "signal 9" in read_problem(stage.root / "run"), 10, "the crash is stored")
    stage.wait_for_life(2)
    assert read_problem(stage.root / "run") == ""
    record_problem(stage.root / "run", "an error that vLLM has logged")
    process.terminate()
    assert process.wait(10) == 0
    assert read_problem(stage.root / "run") == ""


def test_a_hub_that_cannot_be_reached_is_the_problem_until_the_model_process_has_reached_it(stage: Stage) -> None:
    process = stage.start(f"{EXIT_UNREACHABLE}:no hub", "stay")
    stage.wait_for_life(2)
    assert read_problem(stage.root / "run") == "no hub"
    process.terminate()
    assert process.wait(10) == 0


def test_what_a_crashed_life_leaves_behind_is_gone_before_the_next(stage: Stage) -> None:
    assert stage.run("brood-crash", f"{EXIT_USAGE}") == EXIT_USAGE
    assert len(stage.lives[0]["pids"]) == 2
    assert stage.all_gone()


def test_what_has_ended_with_a_crashed_life_is_not_waited_for(stage: Stage) -> None:
    """multiprocessing's resource tracker does: an engine took two seconds more to recover."""
    first = [sys.executable, "-c", FIRST_PROCESS]
    process = stage.start("helped-crash", f"{EXIT_USAGE}", under=first, env={"GROUP_GRACE": "600"})
    assert process.wait(30) == EXIT_USAGE


# ---- endings ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["TERM", "INT"])
@pytest.mark.parametrize("act", ["stay", "stubborn", "brood"])
def test_a_stop_signal_ends_everything(stage: Stage, act: str, number: signal.Signals) -> None:
    process = stage.start(act)
    stage.wait_for_life(1)
    process.send_signal(number)
    assert process.wait(15) == 0
    assert stage.all_gone()
    assert len(stage.lives) == 1
    assert (stage.root / "farewell").exists() == (act == "stay"), "who heeds TERM is given the time to"
    assert stage.holder() is None


def test_a_stop_during_the_back_off_ends_it_without_another_life(stage: Stage) -> None:
    process = stage.start("crash", nap=60)
    until(lambda: stage.backoffs, 10, "the back-off has begun")
    process.terminate()
    assert process.wait(10) == 0
    assert len(stage.lives) == 1


def test_kill_of_the_supervisor_leaves_nothing(stage: Stage) -> None:
    process = stage.start("stay")
    stage.wait_for_life(1)
    process.kill()
    until(stage.all_gone, 5, "the model process is gone")
    until(lambda: stage.holder() is None, 5, "the lock is free")


def test_ctrl_c_of_a_terminal_does_not_reach_the_model_process_itself(stage: Stage) -> None:
    process = stage.start("stay")
    stage.wait_for_life(1)
    (life,) = stage.lives
    assert life["group"] == life["pids"][0] != os.getpgid(process.pid)


def test_a_stop_before_the_model_process_is_known_stops_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The signal arrives while `Popen` has forked, and has not returned yet."""
    popen = subprocess.Popen

    def forked(command: list[str], **options: Any) -> "subprocess.Popen[bytes]":
        process = popen(["sleep", "600"], process_group=0)
        supervised._on_stop_signal(signal.SIGTERM, None)
        return process

    monkeypatch.setattr(subprocess, "Popen", forked)
    supervised = Supervisor(replace(settings_in(tmp_path), drain_seconds=60.0), [])
    started = time.monotonic()
    assert supervised._keep_alive() == 0
    assert time.monotonic() - started < 30, "else it is killed after the time of a drain"


def test_the_model_process_has_no_secrets_of_the_web_tier(stage: Stage) -> None:
    secrets = {
        "HEARTH_ADMIN_KEY": "a",
        "HEARTH_API_KEYS": "sk-1",
        "HEARTH_API_KEYS_FILE": "/k",
        "HEARTH_DATABASE_URL": "postgresql://u:p@h/d",
    }
    engine_own = {"HF_TOKEN": "hf_1", "HEARTH_MAX_QUEUE": "7"}
    assert stage.start(f"{EXIT_USAGE}", env={**secrets, **engine_own}).wait(30) == EXIT_USAGE
    (life,) = stage.lives
    assert not set(secrets) & set(life["environment"])
    assert set(engine_own) <= set(life["environment"])


def test_the_log_is_kept_within_its_bounds_while_the_engine_runs(stage: Stage) -> None:
    (stage.root / "run").mkdir()
    log = stage.root / "run" / "engine.log"
    with log.open("ab") as file:
        process = stage.start("chatty", stderr=file.fileno())
    until((stage.root / "chatted").exists, 60, "all is written")
    until(lambda: log.stat().st_size <= 100_000, 10, "the log is cut down")
    lines = log.read_text().splitlines()
    assert lines[-1] == "line 99999"
    assert all(line.startswith("line ") for line in lines)
    assert len(lines) > 1000
    process.terminate()
    assert process.wait(15) == 0


# ---- one at a time ----------------------------------------------------------------------------------------------


def test_a_second_supervisor_says_which_runs_and_ends(stage: Stage) -> None:
    first = stage.start("stay")
    stage.wait_for_life(1)
    assert stage.holder() == first.pid
    second = stage.start("stay")
    _, log = second.communicate(timeout=10)
    assert second.returncode == 1
    assert f"pid {first.pid}" in log
    assert len(stage.lives) == 1
    assert stage.holder() == first.pid


def test_the_run_directory_is_for_this_user_alone(stage: Stage) -> None:
    assert stage.run(f"{EXIT_USAGE}") == EXIT_USAGE
    assert (stage.root / "run").stat().st_mode & 0o777 == 0o700


def test_it_stays_small() -> None:
    script = "import sys, engine_proc.__main__; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert "engine_proc.process.supervisor" in done.stdout.split()
    assert not {"torch", "vllm", "transformers", "numpy"} & set(done.stdout.split())
