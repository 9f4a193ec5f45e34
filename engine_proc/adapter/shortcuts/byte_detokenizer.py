"""Incremental detokenising for byte-level BPE, by a table of the bytes of each token.

vLLM decodes each token of a sequence by `tokenizers`, together with the token before, and the whole prompt twice at the
first. In byte-level BPE a token is a string of bytes, whatever is around it. The table has the text of most tokens; the
others are part of a character, whose bytes are put together here.
"""

import codecs
import logging
from typing import Any

from tokenizers import Tokenizer, decoders
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.detokenizer import BaseIncrementalDetokenizer

from engine_proc.adapter.shortcuts import samples

log = logging.getLogger("hearth.shortcuts")

REPLACEMENT = "\ufffd"
"""What a decoder writes for bytes that are no UTF-8. vLLM sends no text that ends in it: the next token may mend it."""
PROMPT_TAIL = 16
"""How many of a prompt's last tokens are read for bytes of a character that the answer completes."""
SEQUENCES, LENGTH = 300, 40
MAX_HOLES = 100_000
"""How far above the model's ids those of a tokenizer may be: the table has a row for each number."""


def _byte_characters() -> dict[str, int]:
    """Return the byte that each character stands for in a byte-level vocabulary (GPT-2's table)."""
    visible = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    table = {chr(byte): byte for byte in visible}
    return table | {chr(0x100 + index): byte for index, byte in enumerate(sorted(set(range(256)) - set(visible)))}


class ByteTable:
    """The bytes and the text of each token of a vocabulary, with and without special tokens."""

    def __init__(self, backend: Tokenizer, size: int) -> None:
        """`size` is the number of token ids that the model can generate."""
        names = [backend.id_to_token(token_id) for token_id in range(max(size, _highest_id(backend) + 1))]
        byte_of = _byte_characters()
        special = {token.content for token in backend.get_added_tokens_decoder().values() if token.special}
        shown = [_bytes(name, byte_of) for name in names]
        hidden = [b"" if name in special else piece for name, piece in zip(names, shown, strict=True)]
        self._bytes = shown, hidden
        texts = [_whole_text(piece) for piece in shown]
        self._texts = texts, ["" if name in special else text for name, text in zip(names, texts, strict=True)]

    def bytes(self, skip_special_tokens: bool) -> list[bytes]:
        """Return the bytes of each token, by its id."""
        return self._bytes[skip_special_tokens]

    def texts(self, skip_special_tokens: bool) -> list[str | None]:
        """Return the text of each token, by its id. None: bytes of a character, or what looks like it."""
        return self._texts[skip_special_tokens]


def _highest_id(backend: Tokenizer) -> int:
    return max(backend.get_vocab(with_added_tokens=True).values(), default=-1)


def _bytes(name: str | None, byte_of: dict[str, int]) -> bytes:
    """Return the bytes of the token called `name`, as the decoder of `tokenizers` finds them."""
    if name is None:
        return b""
    try:
        return bytes([byte_of[character] for character in name])
    except KeyError:  # an added token
        return name.encode()


def _whole_text(piece: bytes) -> str | None:
    text = piece.decode(errors="replace")
    return None if text.endswith(REPLACEMENT) else text


class ByteDetokenizer(BaseIncrementalDetokenizer):  # type: ignore[misc]
    """Gives the text that vLLM's detokeniser gives for a sequence.

    But for a prompt that ends within a character: vLLM sends the whole prompt with the next character.
    """

    def __init__(self, table: ByteTable, request: EngineCoreRequest) -> None:
        super().__init__(request)
        skip = request.sampling_params.skip_special_tokens
        self._bytes = table.bytes(skip)
        self._texts = table.texts(skip)
        self._unsent = ""
        """New text, where there is no stop string to look for."""
        self._deferred: list[int] = []
        # Text that ends in a replacement character, and bytes of an unfinished character, are kept for the next token.
        # Both are immutable, so a copy of this object goes on by itself.
        self._held, self._tail = "", b""
        prompt = request.prompt_token_ids
        if prompt and not self._texts[prompt[-1]]:
            for token_id in prompt[-PROMPT_TAIL:]:
                _, self._tail = self._decode(self._bytes[token_id])

    def decode_next(self, next_token_id: int) -> str:
        """Return the text that a token completes; empty: more bytes are needed."""
        if not self._tail and not self._held:
            text = self._texts[next_token_id]
            if text is not None:
                return text
        new, self._tail = self._decode(self._bytes[next_token_id])
        held = self._held + new
        if self._tail or held.endswith(REPLACEMENT):
            self._held = held
            return ""
        self._held = ""
        return held

    def _decode(self, piece: bytes) -> tuple[str, bytes]:
        """Return the text of the kept bytes and `piece`, and the bytes of the character that they begin."""
        data = self._tail + piece
        text, used = codecs.utf_8_decode(data, "replace", False)
        return text, data[used:]

    def defer(self, new_token_ids: list[int]) -> None:
        """Keep tokens for the next `update`. For a whole answer without stop strings, which is decoded at its end."""
        self._deferred += new_token_ids

    def update(self, new_token_ids: list[int], stop_terminated: bool) -> str | None:
        """Add tokens. Returns the stop string that they complete, or None."""
        if self.stop:
            stop_string: str | None = super().update(new_token_ids, stop_terminated)
            return stop_string
        if self._deferred:
            new_token_ids, self._deferred = self._deferred + new_token_ids, []
        self.token_ids += new_token_ids
        if stop_terminated and not self.include_stop_str_in_output:
            new_token_ids = new_token_ids[:-1]
        self._unsent += self._decode_all(new_token_ids)
        return None

    def _decode_all(self, token_ids: list[int]) -> str:
        if len(token_ids) == 1:
            return self.decode_next(token_ids[0])
        if not self._tail and not self._held:
            text = b"".join([self._bytes[token_id] for token_id in token_ids]).decode(errors="replace")
            if not text.endswith(REPLACEMENT):
                return text
        return "".join([self.decode_next(token_id) for token_id in token_ids])

    def get_next_output_text(self, finished: bool, delta: bool) -> str:
        """Return the text since the last call (`delta` is True)."""
        if self.stop:
            text: str = super().get_next_output_text(finished, delta)
            return text
        text, self._unsent = self._unsent, ""
        return text


def proved_table(tokenizer: Any, size: int) -> ByteTable | None:
    """Return the table of a byte-level vocabulary, if all of it decodes as `tokenizers` decodes it; else None."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if not isinstance(backend, Tokenizer) or not isinstance(backend.decoder, decoders.ByteLevel):
        return None
    if _highest_id(backend) >= size + MAX_HOLES:
        log.info("the tokenizer has ids far above the model's, and no byte table is made")
        return None
    table = ByteTable(backend, size)
    if all(_agrees(table, backend, skip) for skip in (False, True)):
        return table
    log.info("the byte table does not give this tokenizer's texts, and is not used")
    return None


def _agrees(table: ByteTable, backend: Tokenizer, skip: bool) -> bool:
    """Return whether each token alone, and random sequences step by step, have the texts that `tokenizers` finds."""
    pieces = table.bytes(skip)
    alone = backend.decode_batch([[token_id] for token_id in range(len(pieces))], skip_special_tokens=skip)
    if alone != [piece.decode(errors="replace") for piece in pieces]:
        return False
    partial = [token_id for token_id, text in enumerate(table.texts(skip)) if text is None]
    added = list(backend.get_added_tokens_decoder())
    some = samples.random_sequences(range(len(pieces)), SEQUENCES, LENGTH)
    some += samples.random_sequences(partial, SEQUENCES, LENGTH)
    some += samples.random_sequences([*partial[:100], *added[:20], *range(min(300, len(pieces)))], SEQUENCES, LENGTH)
    return all(_streams_alike(table, backend, skip, token_ids) for token_ids in some)


def _streams_alike(table: ByteTable, backend: Tokenizer, skip: bool, token_ids: list[int]) -> bool:
    stream = decoders.DecodeStream(skip_special_tokens=skip)
    mine = ByteDetokenizer(table, _request(skip))
    return all(mine.decode_next(token_id) == (stream.step(backend, token_id) or "") for token_id in token_ids)


def _request(skip: bool) -> EngineCoreRequest:
    params = SamplingParams(skip_special_tokens=skip)
    return EngineCoreRequest("", None, None, params, None, 0.0, None, None, None)
