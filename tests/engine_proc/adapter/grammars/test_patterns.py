"""Unicode properties in patterns, as ranges."""

import re
import sys

import pytest

from engine_proc.adapter.grammars import json_schemas
from engine_proc.adapter.grammars.json_schemas import checked
from engine_proc.adapter.grammars.patterns import MAX_EXPANDED, looks_ahead, without_properties
from engine_proc.adapter.grammars.structured import structured_outputs
from schemas.errors import ApiError
from schemas.wire import Structure

TOO_MANY = r"\PL" * 10_000


def test_properties_become_ranges() -> None:
    assert without_properties(r"^\p{Zs}[\p{Zs}a]\p{Unknown}\\p") == (
        "^[{0}][{0}a]\\p{{Unknown}}\\\\p".format(without_properties(r"[\p{Zs}]")[1:-1])
    )
    characters = re.findall(r"[\\]u\{(\w+)\}", without_properties(r"\p{Zs}"))
    assert {"20", "a0", "3000"} <= set(characters)


@pytest.mark.parametrize("pattern", ["(?=a)b", "^a(?!b)c$", r"\\(?=a)", "[a](?=b)", "(?:(?!a).)*"])
def test_a_lookahead_is_refused(pattern: str) -> None:
    """xgrammar ignores it, so that the text would match another pattern."""
    assert looks_ahead(pattern)
    with pytest.raises(ApiError, match="lookahead") as refusal:
        structured_outputs(Structure(regex=pattern, field="structured_outputs.regex"))
    assert (refusal.value.status, refusal.value.param) == (400, "structured_outputs.regex")


@pytest.mark.parametrize("pattern", [r"\(?=a", "[(?=]a", r"[\](?!]", "(?:a)(?<n>b)", "[[(?=]", "[" * 100_000])
def test_what_is_no_lookahead(pattern: str) -> None:
    assert not looks_ahead(pattern)


def test_many_properties_do_not_become_megabytes() -> None:
    with pytest.raises(ValueError, match=f"more than {MAX_EXPANDED} characters"):
        without_properties(TOO_MANY)
    assert len(without_properties(r"\p{L}[\p{Lu}\d]\P{N}")) < MAX_EXPANDED


def test_a_refused_pattern_is_named() -> None:
    with pytest.raises(ApiError) as refusal:
        structured_outputs(Structure(regex=TOO_MANY, field="structured_outputs.regex"))
    assert (refusal.value.status, refusal.value.param) == (400, "structured_outputs.regex")
    with pytest.raises(ApiError) as refusal:
        checked({"type": "object", "properties": {"a": {"pattern": TOO_MANY}}}, "response_format.schema")
    assert (refusal.value.status, refusal.value.param) == (400, "response_format.schema")


def test_the_checks_of_large_schemas_are_not_remembered() -> None:
    json_schemas._cached_error.cache_clear()
    for number in range(3):
        checked({"title": str(number), "description": "a" * 100_000}, "field")
    assert json_schemas._cached_error.cache_info().currsize == 0
    checked({"title": "small"}, "field")
    assert json_schemas._cached_error.cache_info().currsize == 1


def test_a_schema_with_many_short_patterns_is_bounded_too() -> None:
    patterns = {f"p{number}": {"pattern": r"\pL"} for number in range(200)}
    with pytest.raises(ApiError, match="with its patterns written as ranges"):
        checked({"properties": patterns}, "field")


def test_no_more_patterns_are_expanded_than_a_schema_has_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    expanded: list[str] = []

    def counted(pattern: str) -> str:
        expanded.append(pattern)
        return without_properties(pattern)

    monkeypatch.setattr(json_schemas, "without_properties", counted)
    patterns = {f"p{number}": {"anyOf": [{"pattern": "[" + r"\pL" * 20 + "]"}]} for number in range(1000)}
    with pytest.raises(ValueError, match="with its patterns written as ranges"):
        json_schemas.modern({"properties": patterns})
    assert len(expanded) < 10


def test_a_long_place_is_cut() -> None:
    with pytest.raises(ApiError) as refusal:
        checked({"properties": {"a" * 100_000: {"type": 1}}}, "field")
    assert sys.getsizeof(refusal.value.message) < 3000
