"""The API's reference in Chinese. `zh.json` has its texts; types and ranges are put together here."""

import json
import re
from dataclasses import replace
from functools import cache
from pathlib import Path

from schemas.openapi.reference import Endpoint, Field

WORDS = Path(__file__).with_name("zh.json")
TYPES = {
    "string": "字符串",
    "integer": "整数",
    "number": "数字",
    "boolean": "布尔值",
    "object": "对象",
    "in the path": "位于路径",
    "in the query": "位于查询参数",
    "in the header": "位于请求头",
}
UNITS = {"item": "项", "character": "个字符", "key": "个键", "prompt": "个提示词", "text": "个文本"}
RANGES = (
    (r"up to (\S+) characters in all", "合计最多 {0} 个字符"),
    (r"each (.+)", "每个 {0}"),
    (r"token ids of the vocabulary", "词表中的 token id"),
    (r"above (\S+) to (\S+)", "大于 {0}，至 {1}"),
    (r"up to (.+)", "最多 {0}"),
    (r"at least (.+)", "至少 {0}"),
    (r"(\S+) to (.+)", "{0} 至 {1}"),
)
"""Patterns of a part of a range, and their Chinese. What a pattern's groups match is a part too."""


@cache
def words() -> dict[str, str]:
    found: dict[str, str] = json.loads(WORDS.read_text())
    return found


def chinese(text: str) -> str:
    """Return a text of the reference in Chinese; as it is where it has no translation."""
    return words().get(text, text)


def in_chinese(endpoint: Endpoint) -> Endpoint:
    """Return `endpoint` with Chinese texts. Names and values stay."""
    return replace(
        endpoint,
        summary=chinese(endpoint.summary),
        fields=[_field(field) for field in endpoint.fields],
        responses=[(status, content, chinese(meaning)) for status, content, meaning in endpoint.responses],
    )


def _field(field: Field) -> Field:
    return replace(
        field,
        type="，".join(" 或 ".join(map(_type, part.split(" or "))) for part in field.type.split(", ")),
        range=field.range if field.range.startswith("`") else "；".join(map(_range, field.range.split("; "))),
        default=chinese(field.default),
        meaning=chinese(field.meaning),
    )


def _type(name: str) -> str:
    for prefix in ("array of ", "arrays of "):
        if name.startswith(prefix):
            inner = _type(name.removeprefix(prefix))
            return f"{inner}的数组" if inner.endswith("数组") else f"{inner}数组"
    return TYPES.get(name) or TYPES.get(name.removesuffix("s"), name)


def _range(part: str) -> str:
    for pattern, translation in RANGES:
        found = re.fullmatch(pattern, part)
        if found:
            return translation.format(*map(_range, found.groups()))
    count, _, unit = part.partition(" ")
    return f"{count} {UNITS[unit.removesuffix('s')]}" if unit.removesuffix("s") in UNITS else part
