"""What a client sends cannot forge a line of the log."""

import logging

import pytest

from schemas.log_lines import FORMAT, LogLines, escape

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
