"""What a structure costs to compile: xgrammar takes minutes for some of a few kB, with no limit of its own.

The limits are for Llama 3's vocabulary, at some seconds of one core for each: xgrammar looks at every token in every
state of the grammar.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from schemas.errors import invalid
from schemas.shared.limits import (
    MAX_CLASSES,
    MAX_FORMATS,
    MAX_LENGTHS,
    MAX_OPEN,
    MAX_OPTIONAL,
    MAX_QUANTIFIERS,
    MAX_SCHEMA_OBJECTS,
    MAX_TYPES,
)

LONG = 256
"""Above so many characters, longer bounds of a string's length cost no more."""
_PARTS = re.compile(r"(\\[dDwWsSpP]|\[(?:\\.|[^\]\\])*\]?|\.)|\\.|([?*+{])", re.DOTALL)
"""A class of characters, an escaped character, or a quantifier."""


@dataclass(slots=True)
class _Costs:
    """Sums over all schemas in a schema."""

    objects: int = 0
    formats: int = 0
    open: int = 0
    optional_squared: int = 0
    classes: int = 0
    quantifiers: int = 0
    bounds: set[tuple[int, int]] = field(default_factory=set)

    def add(self, schema: dict[str, Any]) -> None:
        self.objects += 1
        self.formats += isinstance(schema.get("format"), str)
        properties, required = schema.get("properties"), schema.get("required")
        if isinstance(properties, dict):
            named = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
            self.optional_squared += len(properties.keys() - named) ** 2
            if schema.get("additionalProperties", False) not in (False, None):
                self.open += len(properties)
        bounds = _number(schema.get("minLength")), _number(schema.get("maxLength"))
        if any(bounds):
            self.bounds.add(bounds)
        if isinstance(schema.get("pattern"), str):
            classes, quantifiers = _of_pattern(schema["pattern"])
            self.classes += classes
            self.quantifiers += quantifiers

    def excess(self) -> str | None:
        """Return what is too much, as a sentence. None: nothing."""
        lengths = sum(min(max(bounds), LONG) for bounds in self.bounds)
        optional = int(self.optional_squared**0.5)
        found = (
            (self.objects, MAX_SCHEMA_OBJECTS, "schemas and objects, counted at every level"),
            (optional, MAX_OPTIONAL, "optional properties in an object (in several: the root of the sum of squares)"),
            (self.open, MAX_OPEN, "properties beside `additionalProperties`"),
            (self.formats, MAX_FORMATS, "strings with a `format`"),
            (lengths, MAX_LENGTHS, f"characters in different bounds of lengths, of which each counts up to {LONG}"),
            (self.classes, MAX_CLASSES, "classes of characters in patterns"),
            (self.quantifiers, MAX_QUANTIFIERS, "quantifiers in patterns"),
        )
        excesses = (f"it has {count} {what}; the limit is {most}." for count, most, what in found if count > most)
        return next(excesses, None)


def check_schema_cost(schema: dict[str, Any], path: str) -> None:
    """Raise `ApiError` (400) where a schema takes too long to check or to compile. `path` is its field's.

    The time is linear in the schema, of which no more than `MAX_SCHEMA_OBJECTS` objects are looked at.
    """
    costs = _Costs()
    for inner in _objects(schema):
        costs.add(inner)
        kinds = inner.get("type")
        if isinstance(kinds, list) and len(kinds) > MAX_TYPES:
            raise invalid(f"Invalid value for `{path}`: a `type` lists more than {MAX_TYPES} types.", path)
        if costs.objects > MAX_SCHEMA_OBJECTS:
            break
    excess = costs.excess()
    if excess is not None:
        raise invalid(f"Invalid value for `{path}`: the schema would take too long to compile: {excess}", path)


def check_pattern_cost(pattern: str, path: str) -> None:
    """Raise `ApiError` (400) where a regular expression takes too long to compile. `path` is its field's."""
    costs = _Costs()
    costs.classes, costs.quantifiers = _of_pattern(pattern)
    excess = costs.excess()
    if excess is not None:
        raise invalid(f"Invalid value for `{path}`: the pattern would take too long to compile: {excess}", path)


def count_objects(schema: dict[str, Any]) -> int:
    """Return how many objects a schema has, itself included."""
    return sum(1 for _ in _objects(schema))


def _of_pattern(pattern: str) -> tuple[int, int]:
    """Return how many classes of characters and quantifiers a pattern has."""
    kinds = Counter(found.lastindex for found in _PARTS.finditer(pattern))
    return kinds[1], kinds[2]


def _number(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and value > 0 else 0


def _objects(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    left: list[Any] = [schema]
    while left:
        value = left.pop()
        if isinstance(value, dict):
            yield value
            left += [inner for inner in value.values() if isinstance(inner, dict | list)]
        else:
            left += [inner for inner in value if isinstance(inner, dict | list)]
