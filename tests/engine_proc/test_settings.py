"""The engine's settings, from the environment."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from engine_proc.exit_status import EXIT_USAGE
from engine_proc.settings import DEMO_MODEL, read_settings
from schemas.shared.endpoint import DEFAULT_RUN_DIR, PROJECT_ROOT


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("HEARTH_")]:
        monkeypatch.delenv(name)


def test_with_nothing_set_the_demo_model_is_served() -> None:
    settings = read_settings()
    assert settings.model == str(DEMO_MODEL)
    assert settings.served_names == ["hearth-demo"]
    assert settings.endpoint == f"ipc://{DEFAULT_RUN_DIR}/engine.sock"
    assert settings.default_stops == ["<|eot_id|>", "<|end_of_text|>"]
    assert settings.argv([]) == ["--model", str(DEMO_MODEL), "--served-model-name", "hearth-demo", "--enforce-eager"]


def test_another_model_has_its_own_name_and_is_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_MODEL", "/models/llama")
    assert read_settings().argv([]) == ["--model", "/models/llama"]


def test_an_empty_model_is_the_demo_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_MODEL", "")
    assert read_settings().model == str(DEMO_MODEL)


def test_the_demo_model_by_another_path_is_still_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_MODEL", f"{DEMO_MODEL}/../{DEMO_MODEL.name}")
    assert "--enforce-eager" in read_settings().argv([])


def test_flags_of_the_command_line_come_after_those_of_the_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_MODEL", "/models/llama")
    monkeypatch.setenv("HEARTH_SERVED_MODEL_NAME", "a,b")
    monkeypatch.setenv("HEARTH_ENGINE_ARGS", """--max-model-len 64 --hf-overrides '{"a": 1}'""")
    assert read_settings().argv(["--max-model-len", "32"]) == [
        *("--model", "/models/llama"),
        *("--served-model-name", "a", "b"),
        *("--max-model-len", "64"),
        *("--hf-overrides", '{"a": 1}'),
        *("--max-model-len", "32"),
    ]


def test_the_run_directory_holds_socket_lock_and_log(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HEARTH_RUN_DIR", str(tmp_path))
    settings = read_settings()
    assert settings.endpoint == f"ipc://{tmp_path}/engine.sock"
    assert {settings.lock_file.parent, settings.log_file.parent} == {tmp_path}


def test_a_relative_run_directory_is_one_place_for_all_processes(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HEARTH_RUN_DIR", "run")
    assert read_settings().run_dir == tmp_path / "run"


def test_an_endpoint_of_its_own_wins_over_the_run_directory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HEARTH_ENGINE_ENDPOINT", "tcp://127.0.0.1:5555")
    assert read_settings().endpoint == "tcp://127.0.0.1:5555"


@pytest.mark.parametrize(
    ("name", "value", "attribute", "expected"),
    [
        ("HEARTH_MAX_QUEUE", "1", "max_queue", 1),
        ("HEARTH_MAX_PER_KEY", "4", "max_per_key", 4),
        ("HEARTH_MAX_BEAM_WIDTH", "4", "max_beam_width", 4),
        ("HEARTH_DRAIN_SECONDS", "0", "drain_seconds", 0.0),
        ("HEARTH_STALL_SECONDS", "1.5", "stall_seconds", 1.5),
        ("HEARTH_DEFAULT_STOPS", "<end>,<stop>", "default_stops", ["<end>", "<stop>"]),
        ("HEARTH_REPEAT_MAX_PATTERN", "8", "repeat_max_pattern", 8),
        ("HEARTH_REPEAT_MIN_COUNT", "2", "repeat_min_count", 2),
        ("HEARTH_CONTROL_TOKENS_IN_TEXT", "1", "control_tokens_in_text", True),
    ],
)
def test_a_setting_is_read(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, attribute: str, expected: object
) -> None:
    assert getattr(read_settings(), attribute) != expected
    monkeypatch.setenv(name, value)
    assert getattr(read_settings(), attribute) == expected


BAD = pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HEARTH_MAX_QUEUE", "0"),
        ("HEARTH_MAX_QUEUE", "many"),
        ("HEARTH_MAX_PER_KEY", "-1"),
        ("HEARTH_MAX_BEAM_WIDTH", "0"),
        ("HEARTH_DRAIN_SECONDS", "soon"),
        ("HEARTH_STALL_SECONDS", "0"),
        ("HEARTH_REPEAT_MAX_PATTERN", "0"),
        ("HEARTH_REPEAT_MIN_COUNT", "1"),
        ("HEARTH_ENGINE_ENDPOINT", "tcp://0.0.0.0:5555"),
        ("HEARTH_ENGINE_ENDPOINT", "http://127.0.0.1"),
        ("HEARTH_RUN_DIR", "/tmp/" + "x" * 110),
        ("HEARTH_ENGINE_ARGS", "--quote '"),
    ],
    ids=[
        "no queue",
        "queue in words",
        "a share below none",
        "no beam",
        "a drain in words",
        "no time to stall",
        "no pattern",
        "a repetition of one",
        "open to strangers",
        "no scheme of ours",
        "path too long",
        "open quote",
    ],
)


@BAD
def test_a_bad_setting_is_a_sentence_for_the_operator(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ValueError) as caught:
        read_settings()
    assert name in str(caught.value) or value in str(caught.value), "the operator cannot see what to change"


@pytest.mark.parametrize("command", ["serve", "start", "status", "wait", "stop"])
def test_on_the_command_line_it_is_one_line_and_no_traceback(command: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "engine_proc", command],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HEARTH_MAX_QUEUE": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == EXIT_USAGE
    assert done.stdout == ""
    (line,) = done.stderr.splitlines()
    assert line.startswith("engine_proc: ") and "HEARTH_MAX_QUEUE" in line
