"""Make SIGTERM end a benchmark as Ctrl-C does: every `finally` runs, so that no server is left running."""

import signal
import sys


def end_on_term() -> None:
    """Install the signal handler."""
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
