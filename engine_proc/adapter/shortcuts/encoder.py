"""Text to token ids by the quicker of two libraries that gives exactly the ids of the model's tokenizer.

`fastokens` is up to 160 times as fast as `tokenizers`, and does not know all tokenizers. `tokenizers` itself is
what Transformers calls, to make lists of masks and types of the result that nobody needs.
"""

import copy
import logging
from collections.abc import Callable, Iterator
from typing import Any

import fastokens
from transformers import TokenizersBackend

from engine_proc.adapter.shortcuts import samples

log = logging.getLogger("hearth.shortcuts")

Encode = Callable[[str, bool], list[int]]
"""A text, and whether the tokenizer adds its special tokens (such as a begin of text), to token ids."""

RANDOM_TEXTS = 400
DECODED_TEXTS = 300
"""Texts of random tokens of the vocabulary, 40 in each."""
INSERTED = 200
"""Texts with an added token (such as an end of turn) somewhere in them."""


class Encoder:
    """Encodes texts for one model. May be called from several threads."""

    def __init__(self, tokenizer: Any, way: str, encode: Encode) -> None:
        """`encode` is a proved way to encode, by the library `way`."""
        self._tokenizer = tokenizer
        self._encode = encode
        self.way = way

    def encode(self, text: str, add_special_tokens: bool) -> list[int]:
        """Return the token ids of `text`. Special tokens in the text are found."""
        try:
            return self._encode(text, add_special_tokens)
        except BaseException as error:  # a panic in Rust is not an `Exception`
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            log.warning("%s cannot encode a text of %d characters: %s", self.way, len(text), error)
        (ids,) = by_transformers(self._tokenizer, [text], add_special_tokens)
        return ids


def by_transformers(tokenizer: Any, texts: list[str], add_special_tokens: bool) -> list[list[int]]:
    """Return the token ids of each text, as vLLM's renderer gets them."""
    encoded = tokenizer(texts, truncation=False, max_length=None, add_special_tokens=add_special_tokens)
    ids: list[list[int]] = encoded["input_ids"]
    return ids


def quickest(tokenizer: Any) -> Encoder | None:
    """Return the quickest encoder that agrees with `tokenizer` on all samples; None: there is none.

    Takes seconds for a large vocabulary.
    """
    encodes = getattr(type(tokenizer), "_encode_plus", None)
    if not isinstance(tokenizer, TokenizersBackend) or encodes is not TokenizersBackend._encode_plus:
        return None  # it may do more than encode
    texts = list(_texts(tokenizer))
    expected = {added: by_transformers(tokenizer, texts, added) for added in (False, True)}
    for way, make in (("fastokens", _by_fastokens), ("tokenizers", _by_tokenizers)):
        try:
            encode = make(tokenizer)
            if all([encode(text, added) for text in texts] == ids for added, ids in expected.items()):
                return Encoder(tokenizer, way, encode)
            log.info("%s does not give this tokenizer's ids, and is not used", way)
        except BaseException as error:  # a panic in Rust is not an `Exception`
            if isinstance(error, KeyboardInterrupt | SystemExit):
                raise
            log.info("%s does not know this tokenizer: %s", way, error)
    return None


def _by_fastokens(tokenizer: Any) -> Encode:
    fast = fastokens.Tokenizer.from_json_str(tokenizer.backend_tokenizer.to_str())
    fast.no_truncation()
    fast.no_padding()
    splits = tokenizer.split_special_tokens

    def encode(text: str, add_special_tokens: bool) -> list[int]:
        # For one text `encode` is fifty times as slow as a batch of one.
        ids: list[int] = fast.encode_batch([text], add_special_tokens, splits)[0].ids
        return ids

    return encode


def _by_tokenizers(tokenizer: Any) -> Encode:
    backend = copy.deepcopy(tokenizer.backend_tokenizer)  # a tokenizer keeps the settings of Transformers' last call
    backend.no_truncation()
    backend.no_padding()
    backend.encode_special_tokens = tokenizer.split_special_tokens

    def encode(text: str, add_special_tokens: bool) -> list[int]:
        ids: list[int] = backend.encode_batch_fast([text], add_special_tokens=add_special_tokens)[0].ids
        return ids

    return encode


def _texts(tokenizer: Any) -> Iterator[str]:
    yield from samples.ODD_TEXTS
    unicode = samples.random_texts(RANDOM_TEXTS)
    yield from unicode
    backend = tokenizer.backend_tokenizer
    every = range(backend.get_vocab_size(with_added_tokens=True))
    yield from backend.decode_batch(samples.random_sequences(every, DECODED_TEXTS, 40), skip_special_tokens=False)
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    yield from with_few(added, unicode)


def with_few(added: list[str], texts: list[str]) -> list[str]:
    """Return texts with added tokens in them, and the first of these tokens alone and cut short."""
    some = added[:20]
    return [*some, *(token[:-1] for token in some), *samples.with_inserted(texts[:INSERTED], added)]
