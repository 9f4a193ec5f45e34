"""The page's Chinese for the server's errors is of sentences that the server says."""

import ast
import json
import re
from itertools import count

from schemas.shared.endpoint import PROJECT_ROOT

WORDS = json.loads((PROJECT_ROOT / "webapp/page/shared/errors-zh.json").read_text())
PUT_TOGETHER = {"4xx", "5xx", "Expected {0}.", "Invalid value for `{0}`: {1}", "The body is larger than {0} bytes."}
"""What is said where nothing else fits, and what the source makes of several pieces."""


def said() -> set[str]:
    """Return every text of the server's source, with its values numbered."""
    found = set()
    for tier in ("schemas", "webapp", "engine_proc"):
        for path in (PROJECT_ROOT / tier).rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.JoinedStr):
                    numbers = count()
                    parts = [
                        str(v.value) if isinstance(v, ast.Constant) else f"{{{next(numbers)}}}" for v in node.values
                    ]
                    found.add("".join(parts))
                elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                    found.add(node.value)
    return found


def test_the_server_says_each_of_them() -> None:
    assert set(WORDS) - said() - PUT_TOGETHER == set()


def test_values_and_names_are_the_same_in_both() -> None:
    for english, chinese in WORDS.items():
        if english not in ("4xx", "5xx"):
            for marks in (r"\{\d\}", r"`[^`]+`"):
                assert sorted(re.findall(marks, english)) == sorted(re.findall(marks, chinese)), english
