"""The bytes of tokens that are a part of a character, which no text can show."""

import json
import re
from typing import Any

from engine_proc.adapter.special_tokens import added_tokens
from schemas.wire import TokenLogprob

REPLACEMENT = "\ufffd"
BYTE = re.compile(r"<0x([0-9A-F]{2})>")
"""How SentencePiece's vocabularies name a byte."""


class TokenBytes:
    """Finds the bytes of the tokens of one vocabulary."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        kinds = _decoders(tokenizer)
        self._characters = byte_characters() if "ByteLevel" in kinds else {}
        self._has_bytes = "ByteFallback" in kinds
        self._added: set[int] = set(added_tokens(tokenizer))
        self._found: dict[int, bytes] = {}

    def partial(self, token_id: int) -> bytes:
        """Return the bytes of a token that is a part of a character, or has one; empty: it is whole characters."""
        found = self._found.get(token_id)
        if found is None:
            found = self._found[token_id] = self._partial(token_id)
        return found

    def add_to(self, entries: list[TokenLogprob]) -> None:
        """Set `own_bytes` of each entry whose texts, already set, do not show all bytes."""
        for entry in entries:
            tokens = [(entry.text, entry.id), *((text, token_id) for text, token_id, _ in entry.top)]
            own = [self.partial(token_id) for _, token_id in tokens]
            if any(own) or REPLACEMENT in entry.text:
                own[0] = own[0] or self._bytes(entry.id)
                entry.own_bytes = tuple(own)

    def _partial(self, token_id: int) -> bytes:
        found = self._bytes(token_id)
        try:
            found.decode()
        except UnicodeDecodeError:
            return found
        return b""

    def _bytes(self, token_id: int) -> bytes:
        """Return the bytes of a token; empty: they are its text's."""
        if not self._characters and not self._has_bytes:
            return b""
        name = self._tokenizer.convert_ids_to_tokens(token_id)
        if not isinstance(name, str) or token_id in self._added:
            return b""
        if self._characters:
            return bytes([self._characters[character] for character in name if character in self._characters])
        byte = BYTE.fullmatch(name) if self._has_bytes else None
        return b"" if byte is None else bytes([int(byte[1], 16)])


def byte_characters() -> dict[str, int]:
    """Return the byte that each character stands for in a byte-level vocabulary: GPT-2's table."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = sorted(set(range(256)) - set(visible))
    return {chr(byte): byte for byte in visible} | {chr(0x100 + place): byte for place, byte in enumerate(others)}


def _decoders(tokenizer: Any) -> set[str]:
    """Return the kinds of the decoders of Transformers' `tokenizer`; none: it is no fast one."""
    decoder = getattr(getattr(tokenizer, "backend_tokenizer", None), "decoder", None)
    if decoder is None:
        return set()
    described = json.loads(decoder.__getstate__())
    return {part["type"] for part in (described, *described.get("decoders", ()))}
