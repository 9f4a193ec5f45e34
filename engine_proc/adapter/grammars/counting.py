"""How many classes of characters and quantifiers a regular expression or a grammar has, counted as they repeat."""

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from schemas.shared.limits import REPEATS, WIDE

_MOST = 10**6
"""What is above is not told apart: groups in groups multiply."""
_COUNTS = r"(?:\{|~)(?P<counts>[\d,\s.]*)\}?\??"
_GROUP = r"(?P<open>\((?:\?(?:[:=!]|<[=!]|P?<\w+>))?)|(?P<close>\))"
_PATTERN = re.compile(
    r"(?P<wide>\\[DWS]|\\[pP](?:\{[\w=]*\}|\w)?|\[\^(?:\\.|[^\]\\])*\]?|\.)|(?P<narrow>\\[dws]|\[(?:\\.|[^\]\\])*\]?)"
    rf"|(?P<literal>\\.)|{_GROUP}|(?P<sign>[?*+]\??)|{_COUNTS}",
    re.DOTALL,
)
"""A class of characters, an escaped character, the begin or end of a group, or a quantifier, greedy or lazy."""
_HIDDEN = r"(?P<hidden>%(?:json|lark|regex)\b|\b(?:Regex|Substring)\b(?=(?:\s|#[^\n]*\n|//[^\n]*\n)*\())"
EBNF = re.compile(
    rf'#[^\n]*|(?P<literal>"(?:\\.|[^"\\\n])*"?)|{_HIDDEN}|(?P<wide>\[\^(?:\\.|[^\]\\])*\]?)'
    rf"|(?P<narrow>\[(?:\\.|[^\]\\])*\]?)|{_GROUP}|(?P<sign>[?*])|{_COUNTS}"
    r"|(?P<rule>[A-Za-z_][\w.-]*)\s*::=|(?P<name>[A-Za-z_][\w.-]*)"
)
"""A comment, a literal text, another notation's begin, a class of characters, a group, a repetition, the begin of a
rule or the name of one, in EBNF.
"""
LARK = re.compile(
    rf'//[^\n]*|(?P<literal>"(?:\\.|[^"\\\n])*"?i?)|{_HIDDEN}|/(?P<pattern>(?:\\.|[^/\\\n])+)(?:/[imslux]*)?'
    rf"|{_GROUP}|(?P<sign>[?*])|{_COUNTS}"
    r"|(?P<rule>[A-Za-z_]\w*)(?:\.\d+)?\s*:|(?P<name>[A-Za-z_]\w*)"
)
"""The same in Lark, which has regular expressions in place of classes of characters."""
_SPACE = re.compile(r"\s*")


class _Count(NamedTuple):
    """What a text, or the definition of a rule, has."""

    classes: int
    whole: int
    """Its classes with those of the rules that it names, each as often as it is named."""
    signs: int
    repeats: int


def count_pattern(pattern: str) -> tuple[int, int]:
    """Return how many classes, repeated ones as often as they are, and quantifiers a regular expression has."""
    count = _count(pattern, [*_PATTERN.finditer(pattern)], None)
    return count.classes, count.signs + count.repeats


def count_grammar(grammar: str, pieces: re.Pattern[str]) -> tuple[int, int]:
    """Return how many classes, repeated ones as often as they are, and signs `?` and `*` a grammar has.

    `pieces` is `EBNF` or `LARK`. A rule counts once, however often it is named, because it is compiled once. Where a
    number repeats its name, it counts as often, with all rules that it names. The time is linear in the grammar.
    """
    rules = _rules(grammar, pieces)
    counts: dict[str, _Count] = {}
    for name in _inner_first(rules):
        counts[name] = _count(grammar, rules[name], counts)
    return min(sum(count.classes for count in counts.values()), _MOST), sum(count.signs for count in counts.values())


def _rules(grammar: str, pieces: re.Pattern[str]) -> dict[str, list[re.Match[str]]]:
    """Return the pieces of each rule by its name. Those before the first rule are under an empty name."""
    rules: dict[str, list[re.Match[str]]] = {"": []}
    name = ""
    for found in pieces.finditer(grammar):
        name = found["rule"] or name
        rules.setdefault(name, []).append(found)
    return rules


def _inner_first(rules: dict[str, list[re.Match[str]]]) -> Iterator[str]:
    """Yield the names of all rules, each after those that it names, but for those that name it."""
    seen: set[str] = set()
    for first in rules:
        left = [(first, _names(rules[first]))] if first not in seen else []
        seen.add(first)
        while left:
            name, inner = left[-1]
            following = next((other for other in inner if other in rules and other not in seen), None)
            if following is None:
                yield name
                left.pop()
            else:
                seen.add(following)
                left.append((following, _names(rules[following])))


def _names(pieces: Sequence[re.Match[str]]) -> Iterator[str]:
    return (found["name"] for found in pieces if found["name"])


def _count(text: str, pieces: Sequence[re.Match[str]], rules: dict[str, _Count] | None) -> _Count:
    """Return what `pieces` of `text` have. `rules` are those counted before, by name. None: `text` is a pattern.

    What is repeated and unknown, such as a rule that names itself, counts as `WIDE`, but not in a pattern, where spaces
    are no gaps.
    """
    unknown = 0 if rules is None else WIDE
    totals, wholes = [0], [0]
    """Of the text, and of each group that is open."""
    signs = repeats = last = end = 0
    for found in pieces:
        kind, start = found.lastgroup, found.start()
        space = _SPACE.match(text, end) if unknown and end >= 0 else None
        follows = end == start or (space is not None and space.end() == start)
        end = found.end()
        own = whole = 0
        if kind == "open":
            totals.append(0)
            wholes.append(0)
        elif kind == "close":
            own, whole = (totals.pop(), wholes.pop()) if len(totals) > 1 else (0, 0)
            last = max(whole, unknown)
        elif kind in ("wide", "narrow"):
            own = whole = last = WIDE if kind == "wide" else 1
        elif kind == "pattern":
            own, quantifiers = count_pattern(found["pattern"])
            signs += quantifiers
            whole, last = own, max(own, unknown)
        elif kind == "name" and rules is not None:
            whole = rules[found["name"]].whole if found["name"] in rules else 0
            last = max(whole, unknown)
        elif kind == "counts":
            repeats += 1
            extra = _extra(found["counts"])
            last = last if follows else unknown
            own = whole = last * extra
            last = min(last * (extra + 1), _MOST)
        elif kind == "literal":
            last = 0
        else:  # a sign or a comment, after which a repetition is still of what is before
            signs += kind == "sign"
            end = end if follows else -1
        totals[-1], wholes[-1] = min(totals[-1] + own, _MOST), min(wholes[-1] + whole, _MOST)
    return _Count(min(sum(totals), _MOST), min(sum(wholes), _MOST), signs, repeats)


def _extra(counts: str) -> int:
    """Return how often, after the first time, what is before the quantifier `counts` counts."""
    most = max((int(number[:9]) for number in re.findall(r"\d+", counts)), default=1)
    return max(min(most, REPEATS) - 1, 0)
