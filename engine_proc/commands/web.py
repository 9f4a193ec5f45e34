"""The command `web`: run the web tier in the foreground."""

import os
import sys
from typing import NoReturn

from engine_proc.exit_status import EXIT_USAGE
from schemas.shared.endpoint import PROJECT_ROOT


def web(extra: list[str]) -> NoReturn:
    """Become gunicorn, with its flags `extra`, or exit with status 2 where gunicorn would end with a traceback."""
    workers = os.environ.get("WEB_CONCURRENCY") or "1"
    if not workers.isdigit():  # gunicorn reads this before it runs any of Hearth's code, which checks the rest
        print(f"hearth: WEB_CONCURRENCY: expected a number of workers, at least 1, not {workers!r}", file=sys.stderr)
        sys.exit(EXIT_USAGE)
    os.chdir(PROJECT_ROOT)
    os.execv(sys.executable, [sys.executable, "-m", "gunicorn", *extra, "wsgi:app"])
