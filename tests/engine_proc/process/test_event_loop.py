"""The model process's loop, with and without the probe of its turns."""

import asyncio
from pathlib import Path

import pytest

from engine_proc.process import event_loop
from schemas.shared import turns
from tests.schemas.shared.test_turns import recorded, work


async def three_turns() -> int:
    for seconds in (0.001, 0.1, 0.001):
        await asyncio.sleep(0)
        work(seconds)
    await asyncio.sleep(0.01)
    return 7


def test_a_long_turn_is_recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(turns.SETTING, "50")
    assert event_loop.run(three_turns(), tmp_path) == 7
    (turn,) = recorded(tmp_path)
    assert turn["tier"] == "engine"
    assert "three_turns" in str(turn["where"])


def test_without_the_setting_nothing_is_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(turns.SETTING, raising=False)
    monkeypatch.setattr(event_loop, "_TimedSelector", None)
    assert event_loop.run(three_turns(), tmp_path) == 7
    assert recorded(tmp_path) == []
