"""What is reported of streams beside a batch."""

import argparse
import json
from pathlib import Path

import pytest

from bench import batch_beside


def turn(ttft: float, **more: float) -> dict[str, float]:
    return dict.fromkeys(batch_beside.FIGURES, ttft) | more


def test_ratios_are_those_of_the_same_round(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """The machine was slow in the second round: the medians of both sides alone would say 1.5."""
    monkeypatch.setattr(batch_beside, "RESULTS", tmp_path / "results" / "beside.json")
    beside = [turn(11.0, lines_per_s=3.0), turn(110.0, lines_per_s=1.0), turn(30.0, lines_per_s=2.0)]
    sides = {"without": [turn(10.0), turn(100.0), turn(20.0)], "with": beside}
    batch_beside.report(sides, argparse.Namespace(connections=8, lines=500, rounds=3))
    written = json.loads((tmp_path / "results" / "beside.json").read_text())
    assert written["ratio"] == dict.fromkeys(batch_beside.FIGURES, 1.1)
    assert (written["medians"]["with"]["ttft_p50"], written["lines_per_s"]) == (30.0, 2.0)
    assert "1.10" in capsys.readouterr().out
