"""The command line of a batch, up to where a model would be loaded."""

import json
import os
import subprocess
import sys
from pathlib import Path

from engine_proc.exit_status import EXIT_USAGE
from schemas.shared.endpoint import PROJECT_ROOT

GOOD = b'{"custom_id": "a", "method": "POST", "url": "/v1/completions", "body": {"prompt": "abc"}}\n'


def batch(*arguments: str | Path, given: bytes = b"", run_dir: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "engine_proc", "batch", *map(str, arguments)],
        cwd=PROJECT_ROOT,
        env={**os.environ, "HEARTH_RUN_DIR": str(run_dir)},
        input=given,
        capture_output=True,
        timeout=30,
        check=False,
    )


def test_standard_input_to_standard_output(tmp_path: Path) -> None:
    done = batch("-", "-o", "-", given=b"not json\n\n[]", run_dir=tmp_path)
    assert done.returncode == 0, done.stderr
    assert [json.loads(line)["error"]["line"] for line in done.stdout.splitlines()] == [1, 3]
    assert b"batch: 0 answered, 2 failed" in done.stderr


def test_the_same_command_again_adds_nothing(tmp_path: Path) -> None:
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_bytes(b"not json\n[]\n")
    for summary in (b"0 answered, 2 failed\n", b"0 answered, 0 failed, 2 already done\n"):
        done = batch(given, "-o", out, run_dir=tmp_path)
        assert done.returncode == 0, done.stderr
        assert done.stderr.endswith(summary)
        assert out.read_bytes().count(b"\n") == 2
    assert batch(given, "-o", out, "--overwrite", run_dir=tmp_path).stderr.endswith(b"0 answered, 2 failed\n")
    assert out.read_bytes().count(b"\n") == 2


def test_a_command_that_cannot_be_run_says_why(tmp_path: Path) -> None:
    given = tmp_path / "in.jsonl"
    given.write_bytes(GOOD)
    diary = tmp_path / "diary.txt"
    diary.write_text("dear diary\n")
    for arguments, why in (
        ((given,), b"required: -o/--output"),
        ((), b"INPUT must be the first argument"),
        (("--max-model-len", "9", given, "-o", "-"), b"INPUT must be the first argument"),
        ((tmp_path / "none", "-o", "-"), b"none cannot be read: No such file"),
        ((tmp_path, "-o", "-"), b"cannot be read: Is a directory"),
        ((given, "-o", given), b"is the input itself"),
        ((given, "-o", diary), b"is not the output of a batch"),
        ((given, "-o", "-", "--in-flight", "0"), b"--in-flight must be at least 1"),
    ):
        done = batch(*arguments, run_dir=tmp_path)
        assert done.returncode == EXIT_USAGE
        assert why in done.stderr
        assert done.stdout == b""
    assert given.read_bytes() == GOOD
    assert diary.read_text() == "dear diary\n"


def test_help_says_what_there_is(tmp_path: Path) -> None:
    done = batch("--help", run_dir=tmp_path)
    assert done.returncode == 0
    assert b"--overwrite" in done.stdout


def test_the_other_commands_load_nothing_of_it() -> None:
    code = (
        "import sys, engine_proc.__main__; print([name for name in sys.modules if 'batch' in name or name == 'vllm'])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=PROJECT_ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
