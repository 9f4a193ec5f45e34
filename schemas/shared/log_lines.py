"""Log formatters that escape control characters.

Text from a client can neither start a forged log line nor send control sequences to the terminal that shows the log.
"""

import json
import logging
import os
import re
import sys
import time
from functools import lru_cache

import msgspec

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
FORMATS = ("console", "json")
"""The values of HEARTH_LOG_FORMAT."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogLines(logging.Formatter):
    """Formats each record as one line, with control characters escaped; a traceback's lines are indented below it."""

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:
        return f"{_local_time(int(record.created))},{int(record.msecs):03d}"

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escape(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        lines = super().formatException(ei).split("\n")  # type: ignore[arg-type]
        return "\n".join(f"    {escape(line)}" for line in lines)


class JsonLines(logging.Formatter):
    """Formats each record as one JSON object on one line. A record's `fields` become keys of the object."""

    def format(self, record: logging.LogRecord) -> str:
        line = {
            "time": f"{_utc(int(record.created))}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            line["exception"] = self.formatException(record.exc_info)
        text = json.dumps(line, ensure_ascii=False, default=str)
        return text.encode(errors="backslashreplace").decode()  # writes lone surrogates as JSON's own \u escapes


@lru_cache(maxsize=1)
def _local_time(second: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))


@lru_cache(maxsize=1)
def _utc(second: int) -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second))


def escape(text: str) -> str:
    """Return `text` with control characters as Python escapes: a newline becomes the two characters `\\n`."""
    return _CONTROL.sub(lambda match: match[0].encode("unicode_escape").decode(), text)


def formatter(kind: str, pattern: str = FORMAT) -> logging.Formatter:
    """Return the formatter of `kind`, one of `FORMATS`. `pattern` is for `console`, as logging's `%` style has it."""
    return JsonLines() if kind == "json" else LogLines(pattern)


def log_to_stderr(kind: str) -> None:
    """Log to stderr at level INFO in the format `kind`. For processes that gunicorn does not configure."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(kind))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def vllm_configuration() -> bytes:
    """Return the JSON file for `VLLM_LOGGING_CONFIG_PATH` that makes all of vLLM's processes log JSON lines."""
    handler = {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
    level = os.environ.get("VLLM_LOGGING_LEVEL", "INFO")
    configuration = {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {"json": {"class": "schemas.shared.log_lines.JsonLines"}},
        "handlers": {"stderr": handler},
        "loggers": {"vllm": {"handlers": ["stderr"], "level": level, "propagate": False}},
    }
    return msgspec.json.encode(configuration)
