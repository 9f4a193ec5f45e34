r"""JavaScript's regular expressions, in which JSON Schemas have their patterns, for the grammar backend.

xgrammar parses JavaScript's syntax, but for the classes of Unicode properties: `\p{L}`, `\P{Lu}`.
"""

import re
import unicodedata
from functools import lru_cache

_PARTS = re.compile(r"\\([pP])(?:\{(?:General_Category=|gc=|Script=|sc=)?(\w+)\}|(\w))|\\.|\[\^?|\]", re.DOTALL)
_LONG_NAMES = {
    "Letter": "L",
    "Lowercase_Letter": "Ll",
    "Uppercase_Letter": "Lu",
    "Mark": "M",
    "Number": "N",
    "Decimal_Number": "Nd",
    "Punctuation": "P",
    "Symbol": "S",
    "Separator": "Z",
    "Space_Separator": "Zs",
    "Alphabetic": "L",
    "Lowercase": "Ll",
    "Uppercase": "Lu",
}
MAX_EXPANDED = 128 * 1024
"""Most characters of a pattern with its properties written as ranges. All letters, `\\p{L}`, are 6,000 characters."""
_CATEGORIES = re.compile(r"[LMNPSZC][a-z]?")


_GROUPS = re.compile(r"\\.|\[|\]|\(\?[=!]", re.DOTALL)
"""What tells a lookahead from the same characters in a class, or after a backslash."""


def looks_ahead(pattern: str) -> bool:
    """Return whether `pattern` has a lookahead, `(?=...)` or `(?!...)`: xgrammar ignores it, with a line in its log."""
    in_class = False
    for part in _GROUPS.findall(pattern):
        if part in "[]":
            in_class = part == "["
        elif part[0] == "(" and not in_class:
            return True
    return False


def without_properties(pattern: str) -> str:
    r"""Return `pattern` with ranges of characters in place of `\p{...}` and `\P{...}`. Unknown properties stay.

    Raises `ValueError` if the ranges have more than `MAX_EXPANDED` characters: `\pL` a thousand times would be 6 MB.
    """
    if "\\p" not in pattern and "\\P" not in pattern:
        return pattern
    in_class, expanded = False, 0

    def expand(found: re.Match[str]) -> str:
        nonlocal in_class, expanded
        text = found.group()
        if text[0] == "[":
            in_class = True
        elif text == "]":
            in_class = False
        elif found.group(1):
            name = found.group(2) or found.group(3)
            category = _LONG_NAMES.get(name, name)
            if _CATEGORIES.fullmatch(category):
                ranges = _ranges(category, found.group(1) == "P")
                expanded += len(ranges)
                if expanded > MAX_EXPANDED:
                    raise ValueError(f"the classes `\\p` of a pattern have more than {MAX_EXPANDED} characters.")
                return ranges if in_class else f"[{ranges}]"
        return text

    return _PARTS.sub(expand, pattern)


@lru_cache(maxsize=64)
def _ranges(category: str, negated: bool) -> str:
    """Return the content of a character class: the characters of a general category, or all others.

    Beyond the Basic Multilingual Plane, whose scripts are the living ones, only Chinese characters are letters here.
    """
    ranges: list[list[int]] = []
    for code in range(0x10000):
        if 0xD800 <= code <= 0xDFFF or unicodedata.category(chr(code)).startswith(category) == negated:
            continue
        if ranges and ranges[-1][1] == code - 1:
            ranges[-1][1] = code
        else:
            ranges.append([code, code])
    if negated:
        ranges.append([0x10000, 0x10FFFF])
    elif "Lo".startswith(category):
        ranges.append([0x20000, 0x323AF])
    return "".join(f"\\u{{{first:x}}}-\\u{{{last:x}}}" for first, last in ranges)
