"""The bytes of tokens that are a part of a character, in each kind of vocabulary."""

from typing import Any

import pytest

from engine_proc.adapter.token_bytes import TokenBytes, byte_characters
from schemas.wire import TokenLogprob
from tests.engine_proc.adapter import small_tokenizers

FIRE = "🔥".encode()


def parts(tokenizer: Any, text: str) -> list[bytes]:
    """The bytes of each token of `text` where the token is a part of a character."""
    found = TokenBytes(tokenizer)
    return [found.partial(token_id) for token_id in tokenizer.encode(text, add_special_tokens=False)]


@pytest.mark.parametrize("kind", ["demo", "by_normalizer", "by_metaspace"])
def test_the_parts_of_a_character_make_up_its_bytes(tokenizer: Any, kind: str) -> None:
    chosen = tokenizer if kind == "demo" else getattr(small_tokenizers, kind)()
    found = [part for part in parts(chosen, "🔥") if part]

    assert len(found) > 1
    assert b"".join(found) == FIRE


@pytest.mark.parametrize("kind", ["demo", "by_normalizer", "unigram"])
def test_whole_characters_and_added_tokens_have_none(tokenizer: Any, kind: str) -> None:
    chosen = tokenizer if kind == "demo" else getattr(small_tokenizers, kind)()

    assert not any(parts(chosen, f"Hello <0x0A> {chosen.eos_token} the user"))


def test_each_byte_has_a_character_of_its_own() -> None:
    assert sorted(byte_characters().values()) == list(range(256))


def test_entries_get_the_bytes_that_their_texts_do_not_show(tokenizer: Any) -> None:
    ids = tokenizer.encode("🔥", add_special_tokens=False)
    letter = tokenizer.encode("a", add_special_tokens=False)[0]
    first = TokenLogprob("", ids[0], -1.0, (("\ufffd", ids[1], -2.0), ("a", letter, -3.0)))
    last = TokenLogprob("🔥", ids[-1], -1.0)
    plain = TokenLogprob("a", letter, -1.0, (("a", letter, -1.0),))
    after = TokenLogprob("\ufffda", letter, -1.0)
    found = TokenBytes(tokenizer)
    found.add_to([first, last, plain, after])

    assert first.own_bytes == (found.partial(ids[0]), found.partial(ids[1]), b"")
    assert b"".join(found.partial(token_id) for token_id in ids) == FIRE
    assert last.own_bytes == (found.partial(ids[-1]),)
    assert plain.own_bytes == ()
    assert after.own_bytes == (b"a",), "the bytes before it were no character's"
