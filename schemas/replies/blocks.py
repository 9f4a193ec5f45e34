"""A JSON list that is encoded as it grows, for lists so long that to encode them at once would stop a loop."""

from collections.abc import Iterable, Iterator
from itertools import chain
from typing import Any

import msgspec

PLACE = b"\0"
"""Stands for a list in JSON that is encoded around it. JSON itself has no such byte: in strings it is escaped."""
SMALL = 16 * 1024
"""A block of fewer bytes is made longer by the next items."""


class Blocks:
    """A JSON list in blocks of encoded items. Lists may share blocks."""

    __slots__ = ("blocks",)

    def __init__(self) -> None:
        self.blocks: list[bytes] = []
        """The JSON of some items each, with commas between them."""

    def add(self, items: list[Any]) -> None:
        """Encode `items` and append them."""
        if items:
            self._append(msgspec.json.encode(items)[1:-1])

    def extend(self, other: "Blocks") -> None:
        """Append the items of `other`."""
        for block in other.blocks:
            self._append(block)

    def _append(self, block: bytes) -> None:
        if self.blocks and len(self.blocks[-1]) < SMALL:
            self.blocks[-1] = b"%b,%b" % (self.blocks[-1], block)
        else:
            self.blocks.append(block)

    def pieces(self) -> Iterator[bytes]:
        """Yield the JSON between the brackets."""
        for number, block in enumerate(self.blocks):
            if number:
                yield b","
            yield block


def encode_pieces(value: Any) -> list[bytes]:
    """Return the JSON of `value`, which may hold `Blocks`, in pieces. The blocks are not copied."""
    found: list[Blocks] = []

    def hook(part: Any) -> msgspec.Raw:
        if not isinstance(part, Blocks):
            raise NotImplementedError(f"{type(part).__name__} has no JSON")
        found.append(part)
        return msgspec.Raw(b"[%b]" % PLACE)

    encoded = msgspec.json.encode(value, enc_hook=hook)
    if not found:
        return [encoded]
    first, *others = encoded.split(PLACE)
    return [first, *chain.from_iterable((*list_.pieces(), rest) for list_, rest in zip(found, others, strict=True))]


def encode(value: Any) -> bytes:
    """Return the JSON of `value`, which may hold `Blocks`."""
    return b"".join(encode_pieces(value))


def grouped(pieces: list[bytes], size: int) -> Iterable[bytes]:
    """Return `pieces` joined to at least `size` bytes each, but for the last. Each is joined when it is asked for."""
    return pieces if len(pieces) == 1 else _grouped(pieces, size)  # that of a token, most often


def _grouped(pieces: list[bytes], size: int) -> Iterator[bytes]:
    group: list[bytes] = []
    length = 0
    for piece in pieces:
        group.append(piece)
        length += len(piece)
        if length >= size:
            yield b"".join(group)
            group, length = [], 0
    if group:
        yield b"".join(group)
