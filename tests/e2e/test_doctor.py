"""`doctor`, on a healthy Hearth and on broken ones."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from schemas.shared.problem import record_problem
from tests.harness import Hearth, begin_stock, free_port

SHARDS = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}


def doctor(*flags: str, **environment: str) -> tuple[int, str]:
    """Exit status and output."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
    command = [sys.executable, "-m", "engine_proc", "doctor", *flags]
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env={**inherited, **begin_stock()(), **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done.returncode, done.stdout


@pytest.fixture
def elsewhere(tmp_path: Path) -> dict[str, str]:
    """Settings under which nothing runs, and nothing is wrong."""
    return {"HEARTH_RUN_DIR": str(tmp_path / "run"), "HEARTH_BIND": f"127.0.0.1:{free_port()}"}


def test_all_is_well_where_hearth_runs(hearth: Hearth) -> None:
    status, output = doctor(**hearth.env)
    assert status == 0, output
    assert output.endswith("\nNo problems found.\n")
    assert "BAD" not in output
    assert "Hearth 0.1.0 answers\n" in output
    assert f"engine         pid {hearth.welcome().pid}, vllm 0." in output


@pytest.mark.parametrize("command", ["status", "doctor"])
def test_a_reader_that_has_had_enough_is_no_error(hearth: Hearth, command: str) -> None:
    line = f"{sys.executable} -m engine_proc {command} | true"
    done = subprocess.run(
        ["bash", "-c", line], cwd=PROJECT_ROOT, env=hearth.env, capture_output=True, timeout=60, check=True
    )
    assert done.stderr == b""


def test_all_is_well_before_the_first_start(elsewhere: dict[str, str]) -> None:
    status, output = doctor("--json", **elsewhere)
    findings = {finding["what"]: finding for finding in json.loads(output)}
    assert status == 0
    assert findings["address"]["found"].endswith("is free")
    assert findings["engine"]["level"] == "note"
    assert findings["Python"]["level"] == findings["vLLM"]["level"] == "ok"


def test_a_port_that_is_taken(elsewhere: dict[str, str]) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        bind = f"127.0.0.1:{other.getsockname()[1]}"
        status, output = doctor(**{**elsewhere, "HEARTH_BIND": bind})
    assert status == 1
    assert f"BAD   address        {bind} is in use by another program (pid {os.getpid()})" in output
    assert "Stop it, or set HEARTH_BIND to another port." in output


def test_a_model_that_is_not_there(elsewhere: dict[str, str]) -> None:
    status, output = doctor(HEARTH_MODEL="/nowhere/llama", **elsewhere)
    assert status == 1
    assert "BAD   model          there is no directory /nowhere/llama" in output


def test_a_model_that_was_not_downloaded_whole(elsewhere: dict[str, str], tmp_path: Path) -> None:
    for name in ("config.json", "tokenizer.json"):
        (tmp_path / name).write_text("{}")
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(SHARDS))
    (tmp_path / "model-00001-of-00002.safetensors").write_bytes(b"")
    status, output = doctor(HEARTH_MODEL=str(tmp_path), **elsewhere)
    assert status == 1
    assert "lacks model-00002-of-00002.safetensors" in output


def test_a_setting_that_is_misspelt(elsewhere: dict[str, str]) -> None:
    status, output = doctor(HEARTH_API_KEY_FILE="/etc/hearth/keys", **elsewhere)
    assert status == 1
    assert "HEARTH_API_KEY_FILE is not a setting of Hearth" in output
    assert "Did you mean HEARTH_API_KEYS_FILE?" in output


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("HEARTH_MAX_QUEUE", "many", "HEARTH_MAX_QUEUE"),
        ("HEARTH_BODY_SECONDS", "-1", "HEARTH_BODY_SECONDS"),
        ("HEARTH_ENGINE_ENDPOINT", "tcp://0.0.0.0:7000", "not encrypted"),
        ("HEARTH_API_KEYS_FILE", "/nonexistent", "/nonexistent"),
    ],
)
def test_a_setting_that_cannot_be_used(elsewhere: dict[str, str], name: str, value: str, says: str) -> None:
    status, output = doctor(**elsewhere, **{name: value})
    assert status == 1
    (line,) = [line for line in output.splitlines() if line.startswith("BAD")]
    assert says in line


def test_a_gpu_whose_driver_does_not_answer(elsewhere: dict[str, str], tmp_path: Path) -> None:
    broken = tmp_path / "nvidia-smi"
    broken.write_text("#!/bin/sh\necho 'NVIDIA-SMI has failed' >&2\nexit 9\n")
    broken.chmod(0o755)
    status, output = doctor(PATH=f"{tmp_path}:{os.environ['PATH']}", **elsewhere)
    assert status == 1
    assert "BAD   GPU            nvidia-smi is installed but finds no GPU" in output


def test_a_run_directory_of_somebody_else(elsewhere: dict[str, str], tmp_path: Path) -> None:
    run_dir = tmp_path / "run"
    run_dir.mkdir()
    os.chown(run_dir, 12345, -1)
    status, output = doctor(**elsewhere)
    assert status == 1
    assert "belongs to uid 12345" in output


def test_hearths_own_port_is_its_own_behind_a_proxy_too(hearth: Hearth) -> None:
    status, output = doctor(**hearth.env, http_proxy="http://127.0.0.1:9", HTTP_PROXY="http://127.0.0.1:9")
    assert status == 0, output
    assert "Hearth 0.1.0 answers\n" in output


@pytest.mark.parametrize(
    ("variables", "says"),
    [
        ({"WEB_CONCURRENCY": "abc"}, "WEB_CONCURRENCY: expected a number of workers, not 'abc'"),
        ({"WEB_CONCURRENCY": "0"}, "WEB_CONCURRENCY: expected a number of workers"),
        ({"HEARTH_BIND": "127.0.0.1:99999"}, "HEARTH_BIND: expected host:port"),
        ({"HEARTH_MODEL": "models/lama", "HF_ENDPOINT": "http://127.0.0.1:1"}, "there is no directory models/lama"),
        ({"HEARTH_ENGINE_ARGS": "--max-modle-len 5"}, "did you mean --max-model-len?"),
        ({"HEARTH_ENGINE_ARGS": "--max-model-len 4000000"}, "max_model_len"),
    ],
)
def test_a_set_up_that_cannot_work(elsewhere: dict[str, str], variables: dict[str, str], says: str) -> None:
    status, output = doctor(**{**elsewhere, **variables})
    assert status == 1
    assert any(says in line for line in output.splitlines() if line.startswith("BAD")), output


def test_why_the_last_start_has_failed(elsewhere: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    record_problem(tmp_path / "run", "no memory for the KV cache")
    status, output = doctor(**elsewhere)
    assert status == 1
    assert "BAD   engine         not running: no memory for the KV cache" in output


def test_why_the_last_engine_has_ended(elsewhere: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir(mode=0o700)
    (tmp_path / "run/engine.log").write_text("2026-01-01 ERROR hearth.supervisor CUDA out of memory\nlater\n")
    _, output = doctor(**elsewhere)
    assert "CUDA out of memory" in output


def test_completion_knows_the_commands_and_vllms_flags() -> None:
    command = [sys.executable, "-m", "engine_proc", "completion", "bash"]
    script = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=120, check=True).stdout
    assert "--max-model-len" in script
    ask = "COMP_WORDS=(hearth do); COMP_CWORD=1; _shtab_hearth; echo ${COMPREPLY[@]}"
    done = subprocess.run(["bash", "-c", f"{script}\n{ask}"], capture_output=True, text=True, check=True)
    assert done.stdout == "doctor\n"
