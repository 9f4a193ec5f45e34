"""What tests/conftest.py does with a test during which a turn of a loop took too long."""

import re
import subprocess
import sys
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT
from tests import turns
from tests.harness import Hearth, until

TESTS = """
import json
from tests import turns

ran = set()

def record(directory, name, tier="web", imported=0):
    turns.records.add(directory)
    ran.add(name)
    turn = {"tier": tier, "pid": 1, "at": 1.0, "ms": 80.0, "imported": imported, "where": ["here"]}
    (directory / turns.FILE).write_text(json.dumps(turn) + "\\n")

def test_once(tmp_path):
    "once" in ran or record(tmp_path, "once")

def test_twice(tmp_path):
    record(tmp_path, "twice")

def test_engine(tmp_path):
    "engine" in ran or record(tmp_path, "engine", tier="engine")

def test_import(tmp_path):
    "import" in ran or record(tmp_path, "import", imported=1)

def test_failing(tmp_path):
    if "failing" not in ran:
        record(tmp_path, "failing")
        raise AssertionError
"""


def test_a_long_turn_fails_its_test_unless_it_is_of_a_web_worker_and_does_not_come_again(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-rA", "-p", "tests.conftest", "-c", "/dev/null", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    failed = re.findall(r"^(?:FAILED|ERROR) .*::test_(\w+)", done.stdout, re.MULTILINE)
    assert set(failed) == {"twice", "engine", "import", "failing"}
    told = done.stdout.partition("run again against")[2].partition("\n===")[0]
    assert set(re.findall(r"::test_(\w+)", told)) == {"once", "twice"}


def test_the_workers_beside_a_long_turn_are_renewed(hearth: Hearth) -> None:
    before = {worker.pid for worker in hearth.workers()}
    turns.renew_workers([turns.SlowTurn("web", pid, at=1.0, ms=80.0, imported=0, where=[]) for pid in before])
    until(lambda: len(hearth.workers()) == len(before), turns.RENEWAL_SECONDS, "gunicorn has started others")
    assert before.isdisjoint(worker.pid for worker in hearth.workers())
    assert hearth.chat("hello")


def test_no_other_process_is_ended() -> None:
    with subprocess.Popen(["sleep", "60"]) as gone, subprocess.Popen(["sleep", "60"]) as beside:
        gone.kill()
        turns.renew_workers([turns.SlowTurn("web", gone.pid, at=1.0, ms=80.0, imported=0, where=[])])
        assert beside.poll() is None
        beside.kill()
