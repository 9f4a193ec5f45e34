"""What a structure costs to compile: xgrammar takes minutes for some of a few kB, with no limit of its own.

The limits are for Llama 3's vocabulary, at some seconds of one core for each: xgrammar looks at every token in every
state of the grammar.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vllm.v1.structured_output.backend_xgrammar import STRING_SUPPORTED_FORMATS
from vllm.v1.structured_output.utils import grammar_is_likely_lark

from engine_proc.adapter.grammars.counting import EBNF, LARK, count_grammar, count_pattern
from schemas.errors import ApiError, invalid
from schemas.shared.limits import (
    COUNTED_CLASSES,
    MAX_CLASSES,
    MAX_COUNTED,
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
_OTHERS = ("additionalProperties", "unevaluatedProperties")


class TooCostly(ApiError):
    """A structure, alone or with others of the same request, takes too long to check or to compile."""


@dataclass(slots=True)
class Costs:
    """Sums over all schemas in a schema, or in those of several tools."""

    objects: int = 0
    formats: int = 0
    open: int = 0
    optional_squared: int = 0
    counted: int = 0
    classes: int = 0
    quantifiers: int = 0
    bounds: set[tuple[int, int]] = field(default_factory=set)

    def add(self, schema: dict[str, Any]) -> None:
        self.objects += 1
        formatted = _is_formatted(schema)
        self.formats += formatted
        properties, required = schema.get("properties"), schema.get("required")
        if isinstance(properties, dict):
            named = {name for name in required if isinstance(name, str)} if isinstance(required, list) else set()
            optional = len(properties.keys() - named)
            self.optional_squared += optional**2
            if any(type(schema.get(bound)) in (int, float) for bound in ("minProperties", "maxProperties")):
                self.counted += optional
            if any(schema.get(others, False) not in (False, None) for others in _OTHERS):
                self.open += len(properties)
        bounds = _number(schema.get("minLength")), _number(schema.get("maxLength"))
        if any(bounds):
            self.bounds.add(bounds)
        by_pattern = schema.get("patternProperties")
        patterns = [*by_pattern] if isinstance(by_pattern, dict) else []
        if isinstance(schema.get("pattern"), str) and not formatted:  # xgrammar looks at the format alone
            patterns.append(schema["pattern"])
        for pattern in patterns:
            classes, quantifiers = count_pattern(pattern)
            self.classes += classes
            self.quantifiers += quantifiers

    def plus(self, other: "Costs") -> "Costs":
        return Costs(
            objects=self.objects + other.objects,
            formats=self.formats + other.formats,
            open=self.open + other.open,
            optional_squared=self.optional_squared + other.optional_squared,
            counted=self.counted + other.counted,
            classes=self.classes + other.classes,
            quantifiers=self.quantifiers + other.quantifiers,
            bounds=self.bounds | other.bounds,
        )

    def excess(self) -> str | None:
        """Return what is too much, as a sentence. None: nothing."""
        lengths = sum(min(max(bounds), LONG) for bounds in self.bounds)
        optional = int(self.optional_squared**0.5)
        found = (
            (self.objects, MAX_SCHEMA_OBJECTS, "schemas and objects, counted at every level"),
            (optional, MAX_OPTIONAL, "optional properties in an object (in several: the root of the sum of squares)"),
            (self.counted, MAX_COUNTED, "optional properties beside `minProperties` or `maxProperties`"),
            (self.open, MAX_OPEN, "properties beside `additionalProperties` or `unevaluatedProperties`"),
            (self.formats, MAX_FORMATS, "strings with a `format`"),
            (lengths, MAX_LENGTHS, f"characters in different bounds of lengths, of which each counts up to {LONG}"),
            (self.classes, MAX_CLASSES, f"classes of characters, each {COUNTED_CLASSES}"),
            (self.quantifiers, MAX_QUANTIFIERS, "quantifiers in patterns"),
        )
        excesses = (f"it has {count} {what}; the limit is {most}." for count, most, what in found if count > most)
        return next(excesses, None)


def check_schema_cost(schema: dict[str, Any], path: str, others: Costs | None = None) -> Costs:
    """Raise `TooCostly` (400) where a schema takes too long to check or to compile. `path` is its field's.

    `others` are the costs of the schemas that are compiled beside it: returned is what all of them cost together.
    The time is linear in the schema, of which no more than `MAX_SCHEMA_OBJECTS` objects are looked at.
    """
    costs = Costs()
    for inner in _objects(schema):
        costs.add(inner)
        kinds = inner.get("type")
        if isinstance(kinds, list) and len(kinds) > MAX_TYPES:
            raise invalid(f"Invalid value for `{path}`: a `type` lists more than {MAX_TYPES} types.", path)
        if costs.objects > MAX_SCHEMA_OBJECTS:
            break
    _refuse_excess(costs, path, "schema")
    if others is not None:
        costs = others.plus(costs)
        _refuse_excess(costs, path, "schema, with those of other tools,")
    return costs


def _refuse_excess(costs: Costs, path: str, what: str) -> None:
    excess = costs.excess()
    if excess is not None:
        message = f"Invalid value for `{path}`: the {what} would take too long to compile: {excess}"
        raise TooCostly(400, message, param=path)


def check_pattern_cost(pattern: str, path: str) -> None:
    """Raise `ApiError` (400) where a regular expression takes too long to compile. `path` is its field's."""
    costs = Costs()
    costs.classes, costs.quantifiers = count_pattern(pattern)
    _refuse_excess(costs, path, "pattern")


def check_grammar_cost(grammar: str, path: str) -> None:
    """Raise `ApiError` (400) where a grammar, in EBNF or Lark's notation, takes too long to compile, or hides another.

    `path` is its field's. Literal texts, alternatives and `+` cost little.
    """
    pieces = LARK if grammar_is_likely_lark(grammar) else EBNF
    hidden = next((found["hidden"] for found in pieces.finditer(grammar) if found["hidden"]), None)
    if hidden is not None:
        raise invalid(f"Invalid value for `{path}`: `{hidden}` is not supported in a grammar.", path)
    costs = Costs()
    costs.classes, costs.quantifiers = count_grammar(grammar, pieces)
    _refuse_excess(costs, path, "grammar")


def _is_formatted(schema: dict[str, Any]) -> bool:
    """Return whether a schema is of strings with a format that xgrammar knows."""
    kinds, name = schema.get("type"), schema.get("format")
    of_strings = kinds in (None, "string") or (isinstance(kinds, list) and "string" in kinds)
    return of_strings and isinstance(name, str) and name in STRING_SUPPORTED_FORMATS


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
