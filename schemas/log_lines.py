"""Log lines that nobody but their writer has made: what a client sends begins none, and moves no terminal's cursor."""

import logging
import re
import sys

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogLines(logging.Formatter):
    """One record, one line, with control characters escaped; the lines of a traceback are indented below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escape(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        lines = super().formatException(ei).split("\n")  # type: ignore[arg-type]
        return "\n".join(f"    {escape(line)}" for line in lines)


def escape(text: str) -> str:
    """A newline becomes the two characters `\\n`, and so on."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def log_to_stderr() -> None:
    """For a process that has no other logging configuration."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(LogLines(FORMAT))
    logging.basicConfig(level=logging.INFO, handlers=[handler])
