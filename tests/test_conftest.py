"""What tests/conftest.py does with a test during which a turn of a loop took too long."""

import subprocess
import sys
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT

TESTS = """
import json
from tests import turns

runs = []

def record(directory):
    turns.records.add(directory)
    runs.append(directory)
    with (directory / turns.FILE).open("a") as file:
        print(json.dumps({"tier": "web", "pid": 1, "at": 1.0, "ms": 80.0, "where": ["here"]}), file=file)

def test_of_a_host_that_stood_still(tmp_path):
    if not runs:
        record(tmp_path)

def test_of_a_request_that_makes_a_turn_long(tmp_path):
    record(tmp_path)
"""


def test_a_turn_that_is_long_twice_fails_its_test(tmp_path: Path) -> None:
    (tmp_path / "test_it.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "tests.conftest", "-c", "/dev/null", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    (failure,) = [line for line in done.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))]
    assert "test_of_a_request_that_makes_a_turn_long" in failure
    told = done.stdout.partition("run again")[2]
    assert "test_of_a_host_that_stood_still" in told and "test_of_a_request_that_makes_a_turn_long" in told
