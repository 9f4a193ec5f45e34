"""Lists that are encoded as they grow."""

import json
from typing import Any

import pytest

from schemas.replies import blocks
from schemas.replies.blocks import Blocks, encode, encode_pieces, grouped


def of(*parts: list[Any]) -> Blocks:
    made = Blocks()
    for part in parts:
        made.add(part)
    return made


@pytest.mark.parametrize("small", [0, 5, 10_000])
@pytest.mark.parametrize(
    "parts",
    [[], [[]], [[1]], [[1, "a\0b"], [], [None, {"c": [2]}]], [["x" * 9]] * 5],
    ids=lambda parts: str(parts)[:30],
)
def test_the_blocks_are_the_list(parts: list[list[object]], small: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "SMALL", small)
    whole = [item for part in parts for item in part]
    longer = of([0])
    longer.extend(of(*parts))
    value = {"a\0": "\0", "b": of(*parts), "c": [of(*parts), longer]}
    assert json.loads(encode(value)) == {"a\0": "\0", "b": whole, "c": [whole, [0, *whole]]}


def test_blocks_are_not_copied() -> None:
    long = of(["x" * blocks.SMALL], ["y" * blocks.SMALL])
    pieces = encode_pieces({"a": long, "b": long})
    assert [sum(piece is block for piece in pieces) for block in long.blocks] == [2, 2]


def test_a_list_that_has_been_extended_leaves_the_other_as_it_was() -> None:
    first, second = of(["a"]), Blocks()
    second.extend(first)
    second.add(["b"])
    assert (json.loads(encode(first)), json.loads(encode(second))) == (["a"], ["a", "b"])


def test_few_items_at_a_time_make_few_blocks() -> None:
    made = of(*[["x" * 98]] * 1000)
    assert len(made.blocks) == pytest.approx(1000 * 101 / blocks.SMALL, abs=1)


def test_what_has_no_json_is_refused() -> None:
    with pytest.raises(NotImplementedError):
        encode(object())


def test_pieces_are_joined() -> None:
    assert list(grouped([b"ab", b"c", b"def", b"g"], 3)) == [b"abc", b"def", b"g"]
    assert list(grouped([b"ab"], 3)) == [b"ab"]
    assert list(grouped([], 3)) == []


def test_what_is_joined_later_is_not_joined_before() -> None:
    """To join megabytes at once would hold the hub."""
    pieces = [b"ab", b"c", b"d"]
    groups = iter(grouped(pieces, 2))
    assert next(groups) == b"ab"
    pieces[1] = b"x"
    assert [*groups] == [b"xd"]
