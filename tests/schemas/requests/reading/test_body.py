"""From bytes to a JSON object: what is mended, and what is refused."""

from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.requests.parts import warnings
from schemas.requests.reading import body
from schemas.requests.reading.lenient_json import REPLACED


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b'{"a": "x\\ud800y"}', {"a": "x\ufffdy"}),
        (b'{"a": ["\\udc00", {"b": "\\ud83d"}]}', {"a": ["\ufffd", {"b": "\ufffd"}]}),
        (b'{"\\ud800": {"\\udc00": 1}}', {"\ufffd": {"\ufffd": 1}}),
        (b'{"a": "\\ud83d \\ud83d\\ude00"}', {"a": "\ufffd 😀"}),
        (b'{"a": "\xed\xa0\x80"}', {"a": "\ufffd"}),
        (b'{"a": "\xed\xa0\xbd\xed\xb8\x80"}', {"a": "😀"}),
    ],
    ids=["in a text", "deeper", "in names", "beside a pair", "as bytes", "a pair as bytes"],
)
def test_a_lone_surrogate_is_replaced_with_a_warning(raw: bytes, value: Any) -> None:
    assert body.parse(raw) == value
    assert warnings.taken() == (REPLACED,)


def test_a_whole_text_has_no_warning() -> None:
    assert body.parse(b'{"a": "\\ud83d\\ude00"}') == {"a": "😀"}
    assert warnings.taken() == ()


@pytest.mark.parametrize(
    ("raw", "param"),
    [(b'{"a": NaN}', "a"), (b'{"a": [1, {"b": -Infinity}]}', "a[1].b"), (b'{"a": "\\ud800", "b": 1e999}', "b")],
    ids=["NaN", "deep", "beside a surrogate"],
)
def test_a_number_that_is_not_finite_is_named(raw: bytes, param: str) -> None:
    with pytest.raises(ApiError) as caught:
        body.parse(raw)
    assert caught.value.param == param


@pytest.mark.parametrize("raw", [b'{"a": "\\ud800"', b'["\\ud800"]', b'{"a": "\xff"}'], ids=["cut", "array", "bytes"])
def test_what_is_no_json_in_any_other_way_is_refused(raw: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        body.parse(raw)
    assert caught.value.status == 400


def test_a_refused_body_leaves_no_warning_to_the_next() -> None:
    body.parse(b'{"a": "\\ud800"}')
    body.parse(b"{}")
    assert warnings.taken() == ()
