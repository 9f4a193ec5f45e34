"""The reference says in Chinese all that it says in English."""

import re
from collections.abc import Iterator

import pytest

from schemas.openapi.document import document
from schemas.openapi.reference import Endpoint, endpoints
from schemas.shared.endpoint import PROJECT_ROOT
from webapp.reference.chinese import in_chinese, words

SPEC = document()
TEMPLATE = (PROJECT_ROOT / "webapp/templates/docs.html").read_text()


def texts(endpoint: Endpoint) -> Iterator[str]:
    yield endpoint.summary
    yield from (field.meaning for field in endpoint.fields)
    yield from (meaning for _, _, meaning in endpoint.responses)


def said() -> set[str]:
    tags = {text for tag in SPEC["tags"] for text in (tag["name"], tag["description"])}
    defaults = {field.default for endpoint in endpoints(SPEC) for field in endpoint.fields}
    own = {text for text in defaults if not re.fullmatch(r"`[^`]*`|\d+", text)}
    template = set(re.findall(r't\("([^"]+)"\)', TEMPLATE))
    return {SPEC["info"]["description"]} | tags | own | template | {t for e in endpoints(SPEC) for t in texts(e)}


def test_every_text_is_there_and_no_other() -> None:
    assert set(words()) == said()


def test_values_and_names_are_the_same_in_both() -> None:
    for english, chinese in words().items():
        assert sorted(re.findall(r"`[^`]+`", english)) == sorted(re.findall(r"`[^`]+`", chinese)), english


@pytest.mark.parametrize("endpoint", endpoints(SPEC), ids=lambda endpoint: endpoint.name)
def test_types_and_ranges_are_chinese(endpoint: Endpoint) -> None:
    for english, field in zip(endpoint.fields, in_chinese(endpoint).fields, strict=True):
        assert field.path == english.path
        assert not re.search(r"[a-z]{2}", field.type), field.type
        plain = re.sub(r"`[^`]*`|token id", "", field.range)
        assert not re.search(r"[a-z]", plain), field.range
        assert re.findall(r"-?\d+", field.range) == re.findall(r"-?\d+", english.range)


def test_ranges_are_put_together() -> None:
    ranges = {f.range: c.range for e in endpoints(SPEC) for f, c in zip(e.fields, in_chinese(e).fields, strict=True)}
    assert ranges["1 to 1024 items; each 1 to 131072 characters; up to 131072 characters in all"] == (
        "1 至 1024 项；每个 1 至 131072 个字符；合计最多 131072 个字符"
    )
    assert ranges["above 0 to 100"] == "大于 0，至 100"
    types = {f.type: c.type for e in endpoints(SPEC) for f, c in zip(e.fields, in_chinese(e).fields, strict=True)}
    assert types["array of arrays of strings"] == "字符串数组的数组"
    assert types["integer, in the query"] == "整数，位于查询参数"
