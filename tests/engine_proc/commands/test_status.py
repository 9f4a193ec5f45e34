"""`status`, for people and as JSON."""

import json
from pathlib import Path

import pytest

from engine_proc.commands import control
from engine_proc.commands.status import duration, status
from engine_proc.settings import Settings
from schemas import wire
from schemas.shared.problem import record_problem
from tests.engine_proc.answering_thread import LOADING, READY, engine, welcome
from tests.engine_proc.helpers import settings_in


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return settings_in(tmp_path)


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(control, "ANSWER_SECONDS", 0.5)


def test_status_where_nothing_runs(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(settings) == 1
    assert capsys.readouterr().out == f"engine     no answer from {settings.endpoint}\n"


def test_status_says_why_nothing_runs(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    record_problem(settings.run_dir, "there is no model")
    assert status(settings) == 1
    assert capsys.readouterr().out == f"engine     no answer from {settings.endpoint}: there is no model\n"


def rows(out: str) -> dict[str, str]:
    return {line[:14].strip(): line[14:] for line in out.splitlines()}


def test_status_of_a_ready_engine(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, welcome(READY)):
        assert status(settings) == 0
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
    with engine(settings, welcome(LOADING), LOADING):
        assert status(settings) == 3
    shown = rows(capsys.readouterr().out)
    assert shown["engine"] == "loading demo, about 42%"
    assert "model" not in shown


def test_status_of_an_engine_of_another_protocol(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, wire.Refused(message="upgrade the web tier")):
        assert status(settings) == 1
    assert capsys.readouterr().out == "engine     upgrade the web tier\n"


def test_as_json_it_is_what_the_web_tier_tells(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    with engine(settings, welcome(READY)):
        assert status(settings, as_json=True) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["state"], told["pid"], told["load_count"], told["live"]) == ("ready", 4321, 3, 7)
    assert (told["served_names"], told["max_model_len"]) == (["demo"], 2048)
    assert told["stats"]["ttft"] == {"bounds": [0.1, 1.0], "counts": [3, 1, 0], "total": 0.0}


def test_as_json_nothing_is_an_object_too(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    assert status(settings, as_json=True) == 1
    assert json.loads(capsys.readouterr().out)["state"] == "gone"


@pytest.mark.parametrize(
    ("seconds", "words"), [(0.4, "0 s"), (59, "59 s"), (61, "1 min 1 s"), (7200, "2 h 0 min"), (90_000, "1 d 1 h")]
)
def test_a_duration_has_two_units(seconds: float, words: str) -> None:
    assert duration(seconds) == words
