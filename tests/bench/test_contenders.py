"""The contenders that do not come with Hearth's own packages."""

from pathlib import Path

import pytest

from bench import earlier, smg
from schemas.shared.endpoint import PROJECT_ROOT


@pytest.mark.parametrize(("url", "port"), [("ipc:///tmp/smg/engine-31000", 20561), ("ipc:///run/core", 28695)])
def test_the_port_is_the_one_that_smg_waits_at(url: str, port: int) -> None:
    assert smg.handshake_port(url) == port  # by a function of SMG 1.13.0's


def test_an_earlier_commit_comes_with_this_commits_gpu(tmp_path: Path) -> None:
    directory, reason = earlier.find_or_extract("HEAD", tmp_path)
    assert directory is not None, reason
    assert (directory / "gunicorn.conf.py").read_text()
    for name in earlier.GPU:
        assert (directory / "bench" / name).read_text() == (PROJECT_ROOT / "bench" / name).read_text()
    assert earlier.find_or_extract("HEAD", tmp_path) == (directory, "")


def test_a_commit_that_does_not_exist(tmp_path: Path) -> None:
    assert earlier.find_or_extract("no-such-commit", tmp_path) == (None, "git knows no commit 'no-such-commit'")
