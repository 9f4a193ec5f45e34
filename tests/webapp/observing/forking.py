"""Workers that count, forked from a process that has imported the metrics, as gunicorn's are from its master.

`python -m tests.webapp.observing.forking` reads a directory and a program from each line of JSON, and answers with the
program's output and the worker's pid, or with null if it fails.
"""

import contextlib
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn

from schemas.shared.endpoint import PROJECT_ROOT
from webapp.observing import metrics, metrics_files


class Master:
    """The process that forks. `directory` is where it would count itself."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=PROJECT_ROOT,
            env={**os.environ, metrics_files.DIRECTORY: str(directory)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, directory: Path, program: str) -> tuple[str, int]:
        """Run `program` in a worker whose counts are in `directory`, until it ends. Returns its output and its pid."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([str(directory), program]) + "\n")
        self._process.stdin.flush()
        output, pid = json.loads(self._process.stdout.readline())
        return output, pid

    def end(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        assert self._process.wait(60) == 0


def main() -> None:
    assert metrics.LIVE is not None  # the import is what this process is for
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            _work(*json.loads(line))
        _, status = os.waitpid(pid, 0)
        if status:
            print("null", flush=True)


def _work(directory: str, program: str) -> NoReturn:
    status = 1
    try:
        os.environ[metrics_files.DIRECTORY] = directory
        output = io.StringIO()
        with contextlib.redirect_stdout(output):
            exec(program, {})
        print(json.dumps([output.getvalue(), os.getpid()]), flush=True)
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
