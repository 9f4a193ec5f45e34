"""Calls that are JSON in the text of an answer: found alike in a whole text and in pieces of any size."""

import json
from typing import Any

import pytest

from engine_proc.adapter.calls.json_calls import CallReader
from engine_proc.adapter.grammars.patterns import without_properties

PARIS = '{"name": "get_weather", "parameters": {"city": "Paris {"}}'
TOKYO = '{"name": "get_weather", "arguments": {"city": "To\\"}kyo"}}'
NAMES = ["get_weather"]
TAG = "<|python_tag|>"


def read(text: str, at_once: int, **options: Any) -> tuple[str, list[tuple[str, Any]]]:
    reader = CallReader(NAMES, **options)
    content = "".join(reader.feed(text[begin : begin + at_once]) for begin in range(0, len(text), at_once))
    return content + reader.finish(), [(call.name, json.loads(call.arguments)) for call in reader.calls]


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    ("text", "content", "arguments"),
    [
        ("", "", []),
        ("Hello!", "Hello!", []),
        (PARIS, "", [{"city": "Paris {"}]),
        (f"{PARIS}; {TOKYO}", "", [{"city": "Paris {"}, {"city": 'To"}kyo'}]),
        ('{"name": "get_weather", "parameters": {}}', "", [{}]),
        ('{"name": "get_weather", "parameters": null}', "", [{}]),
        ('{"name": "get_weather", "parameters": "{\\"city\\": 1}"}', "", [{"city": 1}]),
        ('{"type": "function", "name": "get_weather", "parameters": {"a": "\\ud800"}}', "", [{"a": "\ud800"}]),
        (f"{TAG}{PARIS}", "", [{"city": "Paris {"}]),
        (f"\n\n{PARIS}\n", "", [{"city": "Paris {"}]),
        (f"Sure: {TAG}{PARIS}", "Sure: ", [{"city": "Paris {"}]),
        (f"{PARIS}\nDone", "\nDone", [{"city": "Paris {"}]),
        (f"{{a: 1}} {PARIS}", "{a: 1} ", [{"city": "Paris {"}]),
    ],
)
def test_a_call_that_has_ended_is_a_call(text: str, content: str, arguments: list[Any], at_once: int) -> None:
    assert read(text, at_once, tag=TAG) == (content, [("get_weather", value) for value in arguments])


@pytest.mark.parametrize("at_once", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize(
    "text",
    [
        PARIS[:-1],
        PARIS[:-4],
        '{"name": "get_weather"',
        '{"name": "get_weather", "parameters": {',
        '{"name": "get_weather"}',
        '{"name": "get_weather", "parameters": 5}',
        '{"name": "get_weather", "parameters": "Paris"}',
        '{"name": "get_weather", "parameters": {"a": }}',
        '{"name": "fly", "parameters": {}}',
        '{"name": 5, "parameters": {}}',
        '{"name": "Ann", "parameters": {"age": 5}}',
        '{"a": {"name": "get_weather", "parameters": {}}} ok',
        "It is {a: 1}.",
        '{"a": 1}',
        "[]",
        "{",
        "<|python",
        "a < b {",
        "[" * 3000 + "{" * 3000,
        '{"name": ' + "{" * 3000 + "}" * 3001,
    ],
    ids=lambda text: text[:50],
)
def test_all_else_is_content(text: str, at_once: int) -> None:
    assert read(text, at_once, tag=TAG) == (text, [])


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_the_calls_before_an_unfinished_one_are_calls(at_once: int) -> None:
    rest = TOKYO[:-3]
    assert read(f"{PARIS}; {rest}", at_once) == (f"; {rest}", [("get_weather", {"city": "Paris {"})])


@pytest.mark.parametrize("at_once", [1, 3, 1000])
def test_forced_calls_are_an_array_or_the_arguments_alone(at_once: int) -> None:
    both = [("get_weather", {"city": "Paris {"}), ("get_weather", {"city": 'To"}kyo'})]
    assert read(f"[{PARIS}, {TOKYO}]", at_once) == ("", both)
    assert read(f"[{PARIS[:20]}", at_once) == (f"[{PARIS[:20]}", [])
    assert read('{"city": "Rome"}', at_once, forced="f") == ("", [("f", {"city": "Rome"})])
    assert read('{"city": "Ro', at_once, forced="f") == ('{"city": "Ro', [])


def test_content_is_not_held_longer_than_it_may_be_a_call() -> None:
    reader = CallReader(NAMES, TAG)

    assert [reader.feed(piece) for piece in ("It is", " <|py", "thon. {", '"a": 1', ', "b"')] == [
        "It is",
        " ",
        "<|python. ",
        '{"a": 1',
        ', "b"',
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("a\\d[b]", "a\\d[b]"),
        (r"\p{Zl}", r"[\u{2028}-\u{2028}]"),
        (r"^[\w\p{Zl}\]]\p{Line_Separator}$", r"^[\w\u{2028}-\u{2028}\]]\p{Line_Separator}$"),
        (r"\\p{Zl}", r"\\p{Zl}"),
        (r"\pZ?", None),
        (r"\P{Lu}", None),
    ],
)
def test_classes_of_unicode_become_ranges(pattern: str, expected: str | None) -> None:
    found = without_properties(pattern)

    assert "\\P" not in found
    assert found == expected if expected is not None else found.startswith("[\\u{")
