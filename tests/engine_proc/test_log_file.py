"""The cut of the log, as somebody sees it who reads the file at that moment."""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType

import pytest

from engine_proc import log_file

LINES = [f"line {number}\n" for number in range(1000)]


@contextmanager
def seen_at_each_call(path: Path) -> Iterator[list[str]]:
    """Yield what the file `path` holds after each call of a function, while the block runs."""
    seen: list[str] = []

    def look(frame: FrameType, event: str, argument: object) -> None:
        fd = os.open(path, os.O_RDONLY)
        seen.append(os.read(fd, 1 << 20).decode())
        os.close(fd)

    sys.setprofile(look)
    try:
        yield seen
    finally:
        sys.setprofile(None)


def test_the_last_lines_are_in_the_file_throughout_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_LOG_BYTES", 5000)
    monkeypatch.setattr(log_file, "KEPT_LOG_BYTES", 1000)
    path = tmp_path / "engine.log"
    path.write_text("".join(LINES))
    with seen_at_each_call(path) as seen:
        log_file.trim_log(path)
    assert len({*seen}) > 1
    assert all(text.endswith(LINES[-1]) for text in seen)
    assert seen[-1] == path.read_text() == "".join(LINES[-len(seen[-1].splitlines()) :])
    assert 900 < path.stat().st_size <= 1000


def test_a_process_that_appends_goes_on_after_the_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_file, "MAX_LOG_BYTES", 5000)
    monkeypatch.setattr(log_file, "KEPT_LOG_BYTES", 20)
    path = tmp_path / "engine.log"
    with path.open("a") as log:
        log.writelines(LINES)
        log.flush()
        log_file.trim_log(path)
        print("after", file=log, flush=True)
    assert path.read_text() == "line 998\nline 999\nafter\n"


def test_a_log_that_is_not_too_big_stays_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "engine.log"
    path.write_text("".join(LINES))
    log_file.trim_log(path)
    assert path.read_text() == "".join(LINES)
