"""An earlier commit of Hearth, to be measured beside this one."""

import io
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from bench.rust_binary import CACHE
from schemas.shared.endpoint import PROJECT_ROOT

GPU = "simulated_gpu.py", "step_time.py"
"""The simulated GPU, which earlier commits may not have."""


def find_or_extract(commit: str, cache: Path = CACHE) -> tuple[Path | None, str]:
    """Return a directory with the files of `commit`, or None and the reason. It runs with this commit's packages.

    `cache` is where that directory is kept.
    """
    parsed = _git("rev-parse", "--verify", "--short=12", f"{commit}^{{commit}}")
    if parsed.returncode:
        return None, f"git knows no commit {commit!r}"
    cache.mkdir(exist_ok=True)
    directory = cache / f"hearth-{parsed.stdout.decode().strip()}"
    if not directory.exists():
        archive = _git("archive", "--format=tar", commit)
        with tempfile.TemporaryDirectory(dir=cache) as unfinished:
            extracted = Path(unfinished, "hearth")
            with tarfile.open(fileobj=io.BytesIO(archive.stdout)) as files:
                files.extractall(extracted, filter="data")
            extracted.rename(directory)
    for name in GPU:
        shutil.copy(PROJECT_ROOT / "bench" / name, directory / "bench")
    return directory, ""


def _git(*arguments: str) -> "subprocess.CompletedProcess[bytes]":
    return subprocess.run(["git", *arguments], cwd=PROJECT_ROOT, capture_output=True, check=False)  # noqa: S607
