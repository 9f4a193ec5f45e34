"""What a structure costs to compile: xgrammar takes minutes for some of a few kB, with no limit of its own.

The limits are for Llama 3's vocabulary, at some seconds of one core for each: xgrammar looks at every token in every
state of the grammar.
"""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from vllm.v1.structured_output.utils import grammar_is_likely_lark

from schemas.errors import ApiError, invalid
from schemas.shared.limits import (
    COUNTED_CLASSES,
    MAX_CLASSES,
    MAX_FORMATS,
    MAX_LENGTHS,
    MAX_OPEN,
    MAX_OPTIONAL,
    MAX_QUANTIFIERS,
    MAX_SCHEMA_OBJECTS,
    MAX_TYPES,
    REPEATS,
    WIDE,
)

LONG = 256
"""Above so many characters, longer bounds of a string's length cost no more."""
_COUNTS = r"(?:\{|~)(?P<counts>[\d,\s.]*)"
_PATTERN = re.compile(
    r"(?P<wide>\\[DWSP]|\[\^(?:\\.|[^\]\\])*\]?|\.)|(?P<narrow>\\[dwsp]|\[(?:\\.|[^\]\\])*\]?)|\\.|(?P<sign>[?*+])|"
    + _COUNTS,
    re.DOTALL,
)
"""A class of characters, an escaped character, or a quantifier."""
_EBNF = re.compile(
    r'#[^\n]*|"(?:\\.|[^"\\\n])*"?|(?P<wide>\[\^(?:\\.|[^\]\\])*\]?)|(?P<narrow>\[(?:\\.|[^\]\\])*\]?)|(?P<sign>[?*])|'
    + _COUNTS
)
"""A comment, a literal text, a class of characters or a repetition in EBNF."""
_LARK = re.compile(r'//[^\n]*|"(?:\\.|[^"\\\n])*"?|/(?P<pattern>(?:\\.|[^/\\\n])+)/?|(?P<sign>[?*])|' + _COUNTS)
"""A comment, a literal text, a regular expression or a repetition in Lark's notation."""


class TooCostly(ApiError):
    """A structure, alone or with others of the same request, takes too long to check or to compile."""


@dataclass(slots=True)
class Costs:
    """Sums over all schemas in a schema, or in those of several tools."""

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

    def plus(self, other: "Costs") -> "Costs":
        return Costs(
            objects=self.objects + other.objects,
            formats=self.formats + other.formats,
            open=self.open + other.open,
            optional_squared=self.optional_squared + other.optional_squared,
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
            (self.open, MAX_OPEN, "properties beside `additionalProperties`"),
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
    costs.classes, costs.quantifiers = _of_pattern(pattern)
    _refuse_excess(costs, path, "pattern")


def check_grammar_cost(grammar: str, path: str) -> None:
    """Raise `ApiError` (400) where a grammar, in EBNF or Lark's notation, takes too long to compile.

    `path` is its field's. Literal texts, alternatives and `+` cost little.
    """
    costs = Costs()
    if grammar_is_likely_lark(grammar):
        patterns = "".join(found["pattern"] + "|" for found in _LARK.finditer(grammar) if found["pattern"])
        classes, quantifiers = _of_pattern(patterns)
        costs.classes = classes + _repeated(grammar, _LARK)
        costs.quantifiers = quantifiers + sum(bool(found["sign"]) for found in _LARK.finditer(grammar))
    else:
        kinds = Counter(found.lastgroup for found in _EBNF.finditer(grammar))
        costs.classes = kinds["narrow"] + WIDE * kinds["wide"] + _repeated(grammar, _EBNF)
        costs.quantifiers = kinds["sign"]
    _refuse_excess(costs, path, "grammar")


def _of_pattern(pattern: str) -> tuple[int, int]:
    """Return how many classes of characters, repeated ones as often as they are, and quantifiers a pattern has."""
    classes = quantifiers = last = end = 0
    for found in _PATTERN.finditer(pattern):
        if found.lastgroup in ("wide", "narrow"):
            last, end = (WIDE if found["wide"] else 1), found.end()
            classes += last
        elif found.lastgroup is not None:
            quantifiers += 1
            if found["counts"] and not pattern[end : found.start()].strip(")"):
                classes += last * _extra(found["counts"])
    return classes, quantifiers


def _repeated(grammar: str, pieces: re.Pattern[str]) -> int:
    """Return for how many classes of characters the repetitions in a grammar count, but for those of literal texts."""
    found = list(pieces.finditer(grammar))
    return sum(
        WIDE * _extra(piece["counts"])
        for before, piece in pairwise([None, *found])
        if piece is not None
        and piece["counts"]
        and not (before and before[0].startswith('"') and not grammar[before.end() : piece.start()].strip())
    )


def _extra(counts: str) -> int:
    """Return how often, after the first time, what is before the quantifier `counts` counts."""
    most = max((int(number[:9]) for number in re.findall(r"\d+", counts)), default=1)
    return max(min(most, REPEATS) - 1, 0)


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
