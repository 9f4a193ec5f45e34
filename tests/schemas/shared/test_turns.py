"""The probe of a loop's turns: what it records, and that it is off unless the tests turn it on."""

import json
import time
from pathlib import Path

import pytest

from schemas.shared import turns


def work(seconds: float) -> None:
    """Use so much CPU time of this thread."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(1000))


def recorded(run_dir: Path) -> list[dict[str, object]]:
    file = run_dir / turns.FILE
    return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []


def test_a_turn_that_takes_long_is_recorded_with_what_ran(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(turns.SETTING, "20")
    probe = turns.from_environment(tmp_path, "web")
    assert probe is not None
    work(0.05)  # before the first turn
    for seconds in (0.001, 0.1, 0.001):
        probe.begin()
        work(seconds)
    probe.begin()
    time.sleep(0.05)  # a loop that waits takes no CPU time
    probe.begin()
    (turn,) = recorded(tmp_path)
    assert turn["tier"] == "web" and 90 < float(str(turn["ms"])) < 300
    assert "test_turns.py" in str(turn["where"]) and " work < " in str(turn["where"])


def test_only_so_many_are_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "MOST_RECORDS", 2)
    probe = turns.Turns(tmp_path / turns.FILE, "engine", 0.001)
    for _ in range(5):
        probe.begin()
        work(0.002)
    assert len(recorded(tmp_path)) == 2


@pytest.mark.parametrize("value", [None, "0"])
def test_without_the_setting_there_is_no_probe(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None
) -> None:
    monkeypatch.delenv(turns.SETTING, raising=False)
    if value is not None:
        monkeypatch.setenv(turns.SETTING, value)
    assert turns.from_environment(tmp_path, "web") is None


def test_turns_do_not_count_while_they_are_paused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(turns.SETTING, "5")
    probe = turns.from_environment(tmp_path, "engine")
    assert probe is not None
    probe.begin()
    for step in (turns.pause, lambda: None, turns.resume, lambda: None):
        step()
        work(0.02)
        probe.begin()
    assert len((tmp_path / turns.FILE).read_text().splitlines()) == 1
