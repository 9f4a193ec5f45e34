"""The one command, `bin/hearth`: from any directory, by a link, and before anything is installed."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from engine_proc.exit_status import EXIT_USAGE
from schemas.shared.endpoint import PROJECT_ROOT

HEARTH = PROJECT_ROOT / "bin/hearth"


def run(command: object, *arguments: str, cwd: Path, **environment: str) -> "subprocess.CompletedProcess[str]":
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
    return subprocess.run(
        [str(command), *arguments],
        cwd=cwd,
        env={**inherited, "HEARTH_RUN_DIR": str(cwd / "run"), **environment},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_it_works_from_any_directory_and_by_a_link(tmp_path: Path) -> None:
    link = tmp_path / "hearth"
    link.symlink_to(HEARTH)
    for command in (HEARTH, link):
        done = run(command, "status", cwd=tmp_path)
        assert (done.returncode, done.stderr) == (1, "")
        assert done.stdout == f"engine     no answer from ipc://{tmp_path}/run/engine.sock\n"


def test_files_are_those_of_the_callers_directory(tmp_path: Path) -> None:
    done = run(HEARTH, "batch", "requests.jsonl", "-o", "answers.jsonl", cwd=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert done.stderr.splitlines()[-1] == "batch: requests.jsonl cannot be read: No such file or directory"


def test_a_relative_model_is_that_of_the_callers_directory(tmp_path: Path) -> None:
    (tmp_path / "llama").mkdir()
    done = run(HEARTH, "serve", cwd=tmp_path, HEARTH_MODEL="llama", HEARTH_RUN_DIR="run")
    assert done.returncode == EXIT_USAGE
    assert f"there is no model in {tmp_path}/llama" in done.stderr
    assert (tmp_path / "run/engine.problem").exists()


@pytest.mark.parametrize("value", ["run", "./run", ""])
def test_the_web_tier_and_the_engine_mean_the_same_run_directory(tmp_path: Path, value: str) -> None:
    """gunicorn changes to the checkout, so a relative directory would be another one there."""
    home = PROJECT_ROOT / "run" if value == "" else tmp_path / "run"
    engine = run(HEARTH, "status", cwd=tmp_path, HEARTH_RUN_DIR=value)
    web = run(HEARTH, "web", "--print-config", cwd=tmp_path, HEARTH_RUN_DIR=value)
    assert f"ipc://{home}/engine.sock" in engine.stdout
    assert f"{home}/gunicorn.pid" in web.stdout


def test_before_anything_is_installed_it_says_what_to_do(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    shutil.copy(HEARTH, tmp_path / "bin")
    done = run(tmp_path / "bin/hearth", "status", cwd=tmp_path)
    assert done.returncode == EXIT_USAGE
    assert done.stderr == f"hearth: there is no Python environment yet: run `make setup` in {tmp_path}\n"


@pytest.mark.parametrize("value", ["abc", "-1", "2.5"])
def test_a_number_of_workers_that_gunicorn_cannot_read(tmp_path: Path, value: str) -> None:
    done = run(HEARTH, "web", cwd=tmp_path, WEB_CONCURRENCY=value)
    assert done.returncode == EXIT_USAGE
    assert done.stderr == f"hearth: WEB_CONCURRENCY: expected a number of workers, at least 1, not '{value}'\n"


def test_web_is_gunicorn(tmp_path: Path) -> None:
    done = run(HEARTH, "web", "--check-config", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    done = run(HEARTH, "web", "--check-config", cwd=tmp_path, HEARTH_BIND="127.0.0.1:99999")
    assert done.returncode == 1
    assert done.stderr.startswith("hearth: HEARTH_BIND: expected host:port")
