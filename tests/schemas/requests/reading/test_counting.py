"""Values of a body are counted exactly, whatever its strings hold, and in linear time."""

import json
import random
import time
from typing import Any

import pytest

from schemas.errors import ApiError
from schemas.requests.reading import counting
from schemas.requests.reading.counting import MAX_ELEMENTS, check_count

MEGABYTE = 10**6


def counted(raw: bytes, monkeypatch: pytest.MonkeyPatch) -> int:
    """The lowest limit that takes `raw`."""
    monkeypatch.setattr(counting, "SMALL_BYTES", 0)
    low, high = 0, len(raw) + 1
    while low < high:
        middle = (low + high) // 2
        monkeypatch.setattr(counting, "MAX_ELEMENTS", middle)
        try:
            check_count(raw)
            high = middle
        except ApiError:
            low = middle + 1
    return low


def separators(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(0, len(value) - 1) + sum(map(separators, value.values()))
    if isinstance(value, list):
        return 1 + max(0, len(value) - 1) + sum(map(separators, value))
    return 0


@pytest.mark.parametrize("slice_bytes", [2, 3, 7, 64, 10**6])
def test_the_count_is_exact_whatever_the_strings_hold(monkeypatch: pytest.MonkeyPatch, slice_bytes: int) -> None:
    monkeypatch.setattr(counting, "SLICE", slice_bytes)
    dice = random.Random(7)
    texts = ["", ",", '"', "\\", '\\"', "[[[", "{,}", "日本,", "\\\\", "a" * 9, '","', "\n"]
    for _ in range(100):
        value: dict[str, Any] = {
            dice.choice(texts) + str(i): [dice.choice([*texts, 1, None, {}, []]) for _ in range(4)] for i in range(3)
        }
        assert counted(json.dumps(value).encode(), monkeypatch) == separators(value)
        assert counted(json.dumps(value, ensure_ascii=False).encode(), monkeypatch) == separators(value)


@pytest.mark.parametrize(
    "raw",
    [
        b"[" + b"1," * MAX_ELEMENTS + b"1,1]",
        b"[" + b"[]," * MAX_ELEMENTS + b"1]",
        b"[" + b"{}," * MAX_ELEMENTS + b"1]",
        b'{"a":[' + b'"",' * (MAX_ELEMENTS + 1) + b'""]}',
        b"[" * 3 * MAX_ELEMENTS,
    ],
    ids=["numbers", "lists", "objects", "strings", "depth"],
)
def test_too_many_are_refused(raw: bytes) -> None:
    with pytest.raises(ApiError, match=f"more than {MAX_ELEMENTS} values"):
        check_count(raw)


@pytest.mark.parametrize("number", ["7" * 401, "-" + "7" * 4000, "0." + "3" * 401])
def test_numbers_that_take_long_to_read_are_refused(number: str) -> None:
    raw = f'["{"x" * MEGABYTE}", {number}]'.encode()
    with pytest.raises(ApiError, match="a number of more than 400 digits"):
        check_count(raw)


def test_digits_in_strings_are_no_number() -> None:
    check_count(f'["{"7" * MEGABYTE}", {"7" * 400}]'.encode())


HOSTILE = {
    "one string": b'["' + b"x" * 8 * MEGABYTE + b'"]',
    "escapes": b'["' + b"\\n" * 4 * MEGABYTE + b'"]',
    "escaped quotes": b'["' + b'\\"' * 4 * MEGABYTE + b'"]',
    "never ends": b'["' + b"x" * 8 * MEGABYTE,
    "ends in a backslash": b'["' + b"x" * 2 * MEGABYTE + b"\\",
    "blanks": b"[" + b" " * 8 * MEGABYTE + b"]",
    "numbers": b"[" + (b"7" * 400 + b",") * 20_000 + b"7]",
    "commas in strings": b'["' + b"," * 8 * MEGABYTE + b'"]',
}


@pytest.mark.parametrize("raw", HOSTILE.values(), ids=HOSTILE)
def test_a_long_text_takes_linear_time(raw: bytes) -> None:
    before = time.thread_time()
    check_count(raw)
    assert time.thread_time() - before < 2


def test_a_small_text_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counting, "_end_of_string", None)
    check_count(b'["' + b"," * 900_000 + b'"]')
