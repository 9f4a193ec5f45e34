"""What a client sends cannot forge a line of the log."""

import json
import logging
import os
import re

import pytest

from schemas.shared.log_lines import FORMAT, JsonLines, LogLines, escape

FORGED = "x\n2026-01-01 00:00:00,000 INFO hearth forged"


def line(message: str, *arguments: object, error: Exception | None = None) -> str:
    found = (type(error), error, None) if error else None
    return LogLines(FORMAT).format(logging.LogRecord("hearth", logging.INFO, "", 0, message, arguments, found))


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("a\nb\r\tc", "a\\nb\\r\\tc"),
        ("\x1b[2Jgone", "\\x1b[2Jgone"),
        ("\x9b2J\x7f\0", "\\x9b2J\\x7f\\x00"),
        ("a\u2028b\u0085", "a\\u2028b\\x85"),
        ("字 é 🙂", "字 é 🙂"),
    ],
)
def test_control_characters_are_shown_and_not_sent(text: str, escaped: str) -> None:
    assert escape(text) == escaped


def test_a_record_is_one_line() -> None:
    assert "\n" not in line("%s failed", FORGED)


def test_the_lines_of_an_exception_are_indented() -> None:
    first, *rest = line("failed", error=ValueError(FORGED + "\x1b[2J")).split("\n")
    assert first.endswith("hearth failed")
    assert len(rest) == 2
    assert all(row.startswith("    ") for row in rest)
    assert "\x1b" not in rest[1]


def test_json_is_one_object_a_line() -> None:
    record = logging.LogRecord("hearth", logging.WARNING, "", 0, "%s failed", (FORGED,), None)
    record.fields = {"status": 500, "user": "\u2028\x1b"}
    text = JsonLines().format(record)
    assert "\n" not in text
    told = json.loads(text)
    assert told["message"] == f"{FORGED} failed"
    assert (told["level"], told["status"], told["user"], told["pid"]) == ("warning", 500, "\u2028\x1b", os.getpid())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", told["time"])


def test_json_has_the_exception() -> None:
    try:
        raise ValueError(FORGED)
    except ValueError as error:
        found = (type(error), error, error.__traceback__)
    text = JsonLines().format(logging.LogRecord("hearth", logging.ERROR, "", 0, "failed", (), found))
    assert "\n" not in text
    assert "ValueError" in json.loads(text)["exception"]


def test_what_json_cannot_have_is_no_failure() -> None:
    record = logging.LogRecord("hearth", logging.ERROR, "", 0, "lone \ud800", (), None)
    record.fields = {"odd": object(), "user": "\udfff"}
    line = JsonLines().format(record)
    assert line.encode()
    assert json.loads(line)["message"] == "lone \ud800"
