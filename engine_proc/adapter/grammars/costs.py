"""What a structure costs to compile: xgrammar takes minutes for some of a few kB, with no limit of its own.

The limits are for Llama 3's vocabulary, at some seconds of one core for each: xgrammar looks at every token in every
state of the grammar.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from vllm.v1.structured_output.backend_xgrammar import STRING_SUPPORTED_FORMATS
from vllm.v1.structured_output.utils import grammar_is_likely_lark

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
    REPEATS,
    WIDE,
)

LONG = 256
"""Above so many characters, longer bounds of a string's length cost no more."""
_OTHERS = ("additionalProperties", "unevaluatedProperties")
_COUNTS = r"(?:\{|~)(?P<counts>[\d,\s.]*)\}?\??"
_GROUP = r"(?P<open>\((?:\?(?:[:=!]|<[=!]|P?<\w+>))?)|(?P<close>\))"
_PATTERN = re.compile(
    r"(?P<wide>\\[DWS]|\\[pP](?:\{[\w=]*\}|\w)?|\[\^(?:\\.|[^\]\\])*\]?|\.)|(?P<narrow>\\[dws]|\[(?:\\.|[^\]\\])*\]?)"
    rf"|(?P<literal>\\.)|{_GROUP}|(?P<sign>[?*+]\??)|{_COUNTS}",
    re.DOTALL,
)
"""A class of characters, an escaped character, the begin or end of a group, or a quantifier, greedy or lazy."""
_HIDDEN = r"(?P<hidden>%(?:json|lark|regex)\b|\b(?:Regex|Substring)\b(?=(?:\s|#[^\n]*\n|//[^\n]*\n)*\())"
_EBNF = re.compile(
    rf'#[^\n]*|(?P<literal>"(?:\\.|[^"\\\n])*"?)|{_HIDDEN}|(?P<wide>\[\^(?:\\.|[^\]\\])*\]?)'
    rf"|(?P<narrow>\[(?:\\.|[^\]\\])*\]?)|{_GROUP}|(?P<sign>[?*])|{_COUNTS}"
)
"""A comment, a literal text, another notation's begin, a class of characters, a group or a repetition in EBNF."""
_LARK = re.compile(
    rf'//[^\n]*|(?P<literal>"(?:\\.|[^"\\\n])*"?)|{_HIDDEN}|/(?P<pattern>(?:\\.|[^/\\\n])+)/?'
    rf"|{_GROUP}|(?P<sign>[?*])|{_COUNTS}"
)
"""A comment, a literal text, another notation's begin, a regular expression, a group or a repetition in Lark."""
_SPACE = re.compile(r"\s*")
_MOST = 10**6
"""What is above is not told apart: groups in groups multiply."""


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
            classes, signs, repeats = _count(pattern, _PATTERN)
            self.classes += classes
            self.quantifiers += signs + repeats

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
    costs.classes, signs, repeats = _count(pattern, _PATTERN)
    costs.quantifiers = signs + repeats
    _refuse_excess(costs, path, "pattern")


def check_grammar_cost(grammar: str, path: str) -> None:
    """Raise `ApiError` (400) where a grammar, in EBNF or Lark's notation, takes too long to compile, or hides another.

    `path` is its field's. Literal texts, alternatives and `+` cost little.
    """
    pieces = _LARK if grammar_is_likely_lark(grammar) else _EBNF
    hidden = next((found["hidden"] for found in pieces.finditer(grammar) if found["hidden"]), None)
    if hidden is not None:
        raise invalid(f"Invalid value for `{path}`: `{hidden}` is not supported in a grammar.", path)
    costs = Costs()
    costs.classes, costs.quantifiers, _ = _count(grammar, pieces, unknown=WIDE)
    _refuse_excess(costs, path, "grammar")


def _is_formatted(schema: dict[str, Any]) -> bool:
    """Return whether a schema is of strings with a format that xgrammar knows."""
    kinds, name = schema.get("type"), schema.get("format")
    of_strings = kinds in (None, "string") or (isinstance(kinds, list) and "string" in kinds)
    return of_strings and isinstance(name, str) and name in STRING_SUPPORTED_FORMATS


def _count(text: str, pieces: re.Pattern[str], unknown: int = 0) -> tuple[int, int, int]:
    """Return how many classes of characters, repeated ones as often as they are, signs and repetitions a text has.

    `unknown` is what the name of a rule, which is repeated, counts at least: 0 in a pattern, where spaces are no gaps.
    """
    totals = [0]
    """Of the text, and of each group that is open."""
    signs = repeats = last = end = 0
    for found in pieces.finditer(text):
        kind, start = found.lastgroup, found.start()
        space = _SPACE.match(text, end) if unknown and end >= 0 else None
        follows = end == start or (space is not None and space.end() == start)
        end = found.end()
        if kind == "open":
            totals.append(0)
        elif kind == "close":
            inner = totals.pop() if len(totals) > 1 else 0
            totals[-1] = min(totals[-1] + inner, _MOST)
            last = max(inner, unknown)
        elif kind in ("wide", "narrow"):
            last = WIDE if kind == "wide" else 1
            totals[-1] += last
        elif kind == "pattern":
            last, inner_signs, inner_repeats = _count(found["pattern"], _PATTERN)
            totals[-1] += last
            signs += inner_signs + inner_repeats
            last = max(last, unknown)
        elif kind == "counts":
            repeats += 1
            extra = _extra(found["counts"])
            last = last if follows else unknown
            totals[-1] = min(totals[-1] + last * extra, _MOST)
            last = min(last * (extra + 1), _MOST)
        elif kind == "literal":
            last = 0
        else:  # a sign or a comment, after which a repetition is still of what is before
            signs += kind == "sign"
            end = end if follows else -1
    return min(sum(totals), _MOST), signs, repeats


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
