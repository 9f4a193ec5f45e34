"""JSON Schemas of requests: what is refused, where, and that no schema takes more than linear work."""

from itertools import pairwise
from typing import Any

import pytest

from engine_proc.adapter.grammars import finite, json_schemas
from engine_proc.adapter.grammars.finite import is_finite
from engine_proc.adapter.grammars.json_schemas import check_support, checked
from schemas.errors import ApiError

LEVELS = 20
SELF = {"$ref": "#"}


def nested(levels: int, innermost: Any) -> dict[str, Any]:
    """Return objects inside objects, each of which requires the next."""
    schema: dict[str, Any] = innermost
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}, "required": ["a"]}
    return schema


def chain(length: int, end: Any) -> dict[str, Any]:
    """Return a schema that refers to the last of `length` definitions through all others, the last one first."""
    names = [f"d{number}" for number in range(length)]
    links = {name: {"$ref": f"#/$defs/{after}"} for name, after in pairwise(names)}
    return {"$ref": "#/$defs/d0", "$defs": {**links, names[-1]: end}}


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object", "properties": {"a": SELF}},
        {"type": "object", "properties": {"a": {"anyOf": [SELF, {"type": "null"}]}}, "required": ["a"]},
        {"type": "array", "items": SELF},
        {"anyOf": [SELF, SELF, True]},
        {"$ref": "#/nowhere/at/all"},
        {"$ref": "https://example.org"},
        nested(LEVELS, {"type": "string"}),
        chain(500, {"type": "string"}),
    ],
)
def test_a_finite_text_can_match(schema: dict[str, Any]) -> None:
    assert is_finite(schema)


@pytest.mark.parametrize(
    "schema",
    [
        SELF,
        {"type": "object", "properties": {"a": SELF}, "required": ["a"]},
        {"type": "array", "items": SELF, "minItems": 1},
        {"anyOf": [SELF, {"type": "array", "items": SELF, "minItems": 1}]},
        {"allOf": [{"type": "object"}, SELF]},
        nested(LEVELS, SELF),
        chain(500, SELF),
    ],
)
def test_no_finite_text_can_match(schema: dict[str, Any]) -> None:
    assert not is_finite(schema)
    with pytest.raises(ApiError, match="requires itself inside itself"):
        checked(schema, "field")


def test_each_object_in_a_schema_is_looked_at_once() -> None:
    """An object was found directly and in its parent's `properties`, so 2**levels times: 1 kB ended an engine."""
    objects = list(finite._inside(nested(LEVELS, {"type": "string"})))
    assert len(objects) == len(set(map(id, objects))) == 2 * LEVELS + 1


def test_what_the_backend_does_not_support_is_found_by_looking_at_each_schema_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    looked_at = []
    name = "has_xgrammar_unsupported_json_features"
    real = getattr(json_schemas, name)

    def counted(schema: dict[str, Any]) -> bool:
        looked_at.append(schema)
        return bool(real(schema))

    monkeypatch.setattr(json_schemas, name, counted)
    with pytest.raises(ApiError) as refusal:
        check_support(nested(LEVELS, {"type": "integer", "multipleOf": 3}), "field")
    assert refusal.value.param == "field" + ".properties.a" * LEVELS
    assert len(looked_at) <= 2 * LEVELS + 1
    assert not any(isinstance(value, dict) and any(value.values()) for schema in looked_at for value in schema.values())


@pytest.mark.parametrize(
    ("schema", "place", "names"),
    [
        ({"type": "integer", "multipleOf": 2}, "", "`multipleOf`"),
        ({"properties": {"a": {"type": "array", "uniqueItems": True}}}, ".properties.a", "`uniqueItems`"),
        ({"anyOf": [{}, {"type": "string", "format": "iban"}]}, ".anyOf[1]", "`format`"),
        ({"type": "string", "pattern": "a", "maxLength": 3}, "", "`pattern`"),
        ({"properties": {"a": {"type": "string", "pattern": r"^(?=.*\d)\w+$"}}}, ".properties.a", "a lookahead"),
        ({"type": "object", "patternProperties": {"^(?!a)": {}}}, "", "a lookahead"),
        ({"allOf": [{"type": "object"}, {"type": "object"}]}, "", "`allOf`"),
        (
            {"type": "object", "propertyNames": {"pattern": "a", "maxLength": 1}},
            "",
            "`propertyNames`",
        ),
        ({"type": "object", "properties": {}, "patternProperties": {"a": {}}}, "", "`patternProperties`"),
        ({"type": "object", "patternProperties": {"a": {}, "b": {}}}, "", "`patternProperties`"),
    ],
)
def test_what_the_backend_does_not_support_is_named(schema: dict[str, Any], place: str, names: str) -> None:
    with pytest.raises(ApiError) as refusal:
        check_support(schema, "field")
    assert (refusal.value.status, refusal.value.param) == (400, f"field{place}")
    assert names in refusal.value.message


def test_names_of_properties_are_no_keywords() -> None:
    check_support({"type": "object", "properties": {"type": {}, "multipleOf": {}, "allOf": {"enum": [1]}}}, "field")
