"""Log lines that nobody but their writer has made: what a client sends begins none, and moves no terminal's cursor."""

import json
import logging
import os
import re
import sys
import time

import msgspec

FORMAT = "%(asctime)s %(levelname)s %(name)s %(message)s"
FORMATS = ("console", "json")
"""What HEARTH_LOG_FORMAT may be."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class LogLines(logging.Formatter):
    """One record, one line, with control characters escaped; the lines of a traceback are indented below it."""

    def formatMessage(self, record: logging.LogRecord) -> str:
        return escape(super().formatMessage(record))

    def formatException(self, ei: object) -> str:
        lines = super().formatException(ei).split("\n")  # type: ignore[arg-type]
        return "\n".join(f"    {escape(line)}" for line in lines)


class JsonLines(logging.Formatter):
    """One record, one JSON object on one line. A record's `fields` are the object's own."""

    def format(self, record: logging.LogRecord) -> str:
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        told = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "logger": record.name,
            "pid": record.process,
            "message": record.getMessage(),
            **getattr(record, "fields", {}),
        }
        if record.exc_info:
            told["exception"] = self.formatException(record.exc_info)
        text = json.dumps(told, ensure_ascii=False, default=str)
        return text.encode(errors="backslashreplace").decode()  # of lone surrogates it makes JSON's own escapes


def escape(text: str) -> str:
    """A newline becomes the two characters `\\n`, and so on."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), text)


def formatter(kind: str, pattern: str = FORMAT) -> logging.Formatter:
    """`kind`: one of `FORMATS`."""
    return JsonLines() if kind == "json" else LogLines(pattern)


def log_to_stderr(kind: str) -> None:
    """For a process that has no other logging configuration."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter(kind))
    logging.basicConfig(level=logging.INFO, handlers=[handler])


def vllm_configuration() -> bytes:
    """For vLLM's `VLLM_LOGGING_CONFIG_PATH`, in all of its processes: its records as JSON too."""
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
