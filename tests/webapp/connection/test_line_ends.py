"""Events that no client's line reader splits."""

import pytest

from webapp.connection.line_ends import line_safe


@pytest.mark.parametrize(
    ("text", "safe"),
    [
        ("plain", "plain"),
        ("字 … “quoted” é Å", "字 … “quoted” é Å"),
        ("a\u2028b\u2029c\x85d", "a\\u2028b\\u2029c\\u0085d"),
        ("\u2028" * 3, "\\u2028" * 3),
    ],
    ids=["ASCII", "what stays", "one of each", "several"],
)
def test_line_ends_are_escaped_and_nothing_else(text: str, safe: str) -> None:
    assert line_safe(text.encode()).decode() == safe
