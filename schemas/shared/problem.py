"""Why no engine runs: one sentence in the run directory, which the engine writes and the web tier and `doctor` read."""

import contextlib
import os
from pathlib import Path

FILE = "engine.problem"
"""Name of the file in the run directory. Without it there is no problem that anyone knows of."""
MAX_CHARS = 600


def record_problem(run_dir: Path, sentence: str) -> None:
    """Store `sentence`, on one line and cut to `MAX_CHARS`. Do nothing where the directory cannot be written."""
    new = run_dir / f"{FILE}.{os.getpid()}"
    with contextlib.suppress(OSError):
        new.write_text(one_line(sentence), errors="replace")
        new.replace(run_dir / FILE)


def read_problem(run_dir: Path) -> str:
    """Return the sentence, or an empty string where there is none."""
    try:
        with (run_dir / FILE).open(errors="replace") as file:
            return one_line(file.read(4 * MAX_CHARS))
    except OSError:
        return ""


def clear_problem(run_dir: Path) -> None:
    """Forget the sentence: an engine starts, or has been stopped on purpose."""
    with contextlib.suppress(OSError):
        (run_dir / FILE).unlink()


def one_line(text: str) -> str:
    """Return `text` on one line, cut to `MAX_CHARS` characters."""
    words = " ".join(text.split())
    return words if len(words) <= MAX_CHARS else f"{words[: MAX_CHARS - 3]}..."
