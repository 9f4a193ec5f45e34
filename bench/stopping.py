"""A TERM ends a benchmark as Ctrl-C does: through every `finally`, so that no server is left behind."""

import signal
import sys


def end_on_term() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
