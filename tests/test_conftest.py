"""What tests/conftest.py does with a test during which a turn of a loop took too long."""

import re
import subprocess
import sys
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT
from tests import turns
from tests.harness import Hearth, renew

TESTS = """
import json
from tests import turns

ran = set()

def record(directory, name, imported=0):
    turns.records.add(directory)
    ran.add(name)
    turn = {"tier": "web", "pid": 1, "at": 1.0, "ms": 80.0, "imported": imported, "where": ["here"]}
    (directory / turns.FILE).write_text(json.dumps(turn) + "\\n")

def test_once(tmp_path):
    "once" in ran or record(tmp_path, "once")

def test_twice(tmp_path):
    record(tmp_path, "twice")

def test_import(tmp_path):
    "import" in ran or record(tmp_path, "import", imported=1)

def test_failing(tmp_path):
    if "failing" not in ran:
        record(tmp_path, "failing")
        raise AssertionError
"""


def test_a_long_turn_fails_its_test_unless_it_does_not_come_again(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "tests.conftest", "-c", "/dev/null", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) .*::test_(\w+)", done.stdout, re.MULTILINE)
    assert set(failed) == {"twice", "import", "failing"}
    told = done.stdout.partition("run again against")[2].partition("\n===")[0]
    assert set(re.findall(r"::test_(\w+)", told)) == {"once", "twice"}


def long_turn(tier: str, pid: int, run_dir: Path) -> turns.SlowTurn:
    return turns.SlowTurn(tier, pid, at=1.0, ms=80.0, imported=0, where=[], run_dir=run_dir)


def test_the_workers_beside_a_long_turn_are_renewed(hearth: Hearth) -> None:
    before = {worker.pid for worker in hearth.workers()}
    renew(long_turn("web", pid, hearth.run_dir) for pid in before)
    assert before.isdisjoint(worker.pid for worker in hearth.workers())
    assert hearth.chat("hello")


def test_the_engine_of_a_long_turn_is_renewed(mortal: Hearth) -> None:
    mortal.bring_up()
    pid, _ = mortal.identity()
    renew([long_turn("engine", pid, mortal.run_dir)])
    assert mortal.identity()[0] != pid
    assert mortal.chat("hello")


def test_what_is_not_running_stays_so(mortal: Hearth) -> None:
    mortal.shut_down()
    renew(long_turn(tier, 1, mortal.run_dir) for tier in ("web", "engine"))
    assert mortal.web is None
    assert not mortal.is_loaded()


def test_turns_of_nobody_renew_nothing(tmp_path: Path) -> None:
    renew([long_turn("web", 1, tmp_path)])
