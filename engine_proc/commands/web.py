"""The command `web`: run the web tier in the foreground."""

import os
import sys
from pathlib import Path
from typing import NoReturn

from engine_proc.exit_status import EXIT_USAGE
from schemas.shared.endpoint import PROJECT_ROOT

PATHS = ("HEARTH_RUN_DIR", "HEARTH_CURVE_KEYS", "HEARTH_API_KEYS_FILE")
"""Settings that are paths: relative to the directory of the command, which gunicorn leaves."""


def web(extra: list[str]) -> NoReturn:
    """Become gunicorn, with its flags `extra`, or exit with status 2 where gunicorn would end with a traceback."""
    workers = os.environ.get("WEB_CONCURRENCY") or "1"
    if not workers.isdigit():  # gunicorn reads this before it runs any of Hearth's code, which checks the rest
        print(f"hearth: WEB_CONCURRENCY: expected a number of workers, at least 1, not {workers!r}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    for name in PATHS:
        if path := os.environ.get(name):
            os.environ[name] = str(Path(path).absolute())
    if (model := os.environ.get("HEARTH_MODEL")) and Path(model).is_dir():  # not a hub's name
        os.environ["HEARTH_MODEL"] = str(Path(model).absolute())
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *extra, "wsgi:app"])
