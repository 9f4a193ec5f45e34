"""What vLLM finds in its environment: a user with a name and a home, whoever runs the engine."""

import os
import pwd
from pathlib import Path

import pytest

from engine_proc.adapter.loading.environment import set_vllm_environment

PRIMITIVES = {"ONEDNN_PRIMITIVE_CACHE_CAPACITY": "1024"}


def set_for(monkeypatch: pytest.MonkeyPatch, home: Path, *, known: bool, **given: str) -> dict[str, str]:
    """Return the environment of a process with only the variables `given`, of a user who is `known` or not."""

    def unknown(uid: int) -> object:
        raise KeyError(f"getpwuid(): uid not found: {uid}")

    environment = dict(given)
    monkeypatch.setattr(os, "environ", environment)
    if not known:
        monkeypatch.setattr(pwd, "getpwuid", unknown)
    set_vllm_environment(home)
    return environment


def test_a_user_who_is_known_keeps_his_home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = set_for(monkeypatch, Path("/other"), known=True, HOME=str(tmp_path))
    assert environment["HOME"] == str(tmp_path)
    assert "USER" not in environment
    assert environment["VLLM_WORKER_MULTIPROC_METHOD"] == "spawn"
    assert environment["ONEDNN_PRIMITIVE_CACHE_CAPACITY"] == "128"


def test_a_number_without_a_name_gets_both(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = set_for(monkeypatch, tmp_path, known=False)
    assert environment["HOME"] == str(tmp_path)
    assert environment["USER"] == f"uid-{os.getuid()}"


def test_what_is_given_is_kept(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    environment = set_for(monkeypatch, Path("/other"), known=False, HOME=str(tmp_path), USER="ann", **PRIMITIVES)
    assert (environment["HOME"], environment["USER"]) == (str(tmp_path), "ann")
    assert environment.items() >= PRIMITIVES.items()


def test_a_home_that_is_not_there_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    assert set_for(monkeypatch, tmp_path, known=False, HOME="/nonexistent")["HOME"] == str(tmp_path)
