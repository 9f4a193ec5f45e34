"""Texts have the token ids that vLLM's renderer gives them, whichever library encodes them."""

import random
from typing import Any

import fastokens
import pytest
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import Unigram
from transformers import PreTrainedTokenizerFast
from vllm.inputs import TextPrompt
from vllm.renderers import TokenizeParams

from engine_proc.adapter.shortcuts import encoder as encoder_module
from engine_proc.adapter.shortcuts import samples
from engine_proc.adapter.shortcuts.encoder import Encoder, quickest


class Panic(BaseException):
    """As a panic in Rust reaches Python."""


def other_texts(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Texts that the check at load has not seen."""
    monkeypatch.setattr(samples, "SEED", 7)
    backend = tokenizer.backend_tokenizer
    every = range(backend.get_vocab_size())
    decoded = backend.decode_batch(samples.random_sequences(every, 300, 30), skip_special_tokens=False)
    unicode = samples.random_texts(600)
    added = [token.content for token in tokenizer.added_tokens_decoder.values()]
    return [
        *decoded,
        *unicode,
        *samples.with_inserted(unicode, added),
        *samples.with_inserted(samples.ODD_TEXTS, added),
    ]


@pytest.mark.parametrize("special", [False, True])
def test_texts_have_the_ids_that_vllm_gives_them(
    encoder: Encoder, renderer: Any, tokenizer: Any, special: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert encoder.way == "fastokens"
    texts = other_texts(tokenizer, monkeypatch)
    params = TokenizeParams(max_total_tokens=None, add_special_tokens=special)
    rendered = renderer.render_cmpl([TextPrompt(prompt=text) for text in texts], params)
    for text, prompt in zip(texts, rendered, strict=True):
        assert encoder.encode(text, special) == prompt["prompt_token_ids"], repr(text)


def test_a_long_text_too(encoder: Encoder, tokenizer: Any) -> None:
    draw = random.Random(3)
    text = " ".join(draw.choice(samples.ODD_TEXTS) for _ in range(3000))
    assert encoder.encode(text, True) == tokenizer(text)["input_ids"]


@pytest.mark.parametrize("error", [ValueError("unknown"), Panic("unknown")], ids=["an exception", "a panic"])
def test_a_tokenizer_that_fastokens_does_not_know(
    tokenizer: Any, error: BaseException, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(tokenizer: Any) -> Any:
        raise error

    monkeypatch.setattr(encoder_module, "_by_fastokens", refuse)
    found = quickest(tokenizer)
    assert found is not None
    assert found.way == "tokenizers"
    for text in samples.ODD_TEXTS:
        assert found.encode(text, True) == tokenizer(text)["input_ids"]


def test_what_gives_other_ids_is_not_used(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = encoder_module._by_fastokens(tokenizer)

    def nearly(tokenizer: Any) -> Any:
        return lambda text, special: right(text.replace("ﬁ", "fi"), special)

    monkeypatch.setattr(encoder_module, "_by_fastokens", nearly)
    found = quickest(tokenizer)
    assert found is not None
    assert found.way == "tokenizers"


@pytest.mark.parametrize("error", [ValueError("limit"), Panic("bug")], ids=["an exception", "a panic"])
def test_a_text_that_it_cannot_encode_is_encoded_by_transformers(tokenizer: Any, error: BaseException) -> None:
    def fail(text: str, special: bool) -> list[int]:
        raise error

    assert Encoder(tokenizer, "fastokens", fail).encode("Hello", True) == tokenizer("Hello")["input_ids"]


def test_a_limit_that_the_tokenizer_was_saved_with_is_not_kept(tokenizer: Any) -> None:
    """vLLM's renderer switches it off with each call."""
    backend = tokenizer.backend_tokenizer
    backend.enable_truncation(5)
    try:
        found = [encoder_module._by_tokenizers(tokenizer), encoder_module._by_fastokens(tokenizer)]
    finally:
        backend.no_truncation()
    for encode in found:
        assert len(encode("Once upon a time, " * 20, False)) > 20


def test_a_tokenizer_with_an_encoding_of_its_own_is_left_alone() -> None:
    class Own(PreTrainedTokenizerFast):  # type: ignore[misc]
        def _encode_plus(self, *args: Any, **kwargs: Any) -> Any:
            return super()._encode_plus(*args, **kwargs)

    backend = Tokenizer(Unigram([("<unk>", 0.0), ("a", -1.0), ("b", -2.0), ("ab", -2.5)], unk_id=0))
    backend.pre_tokenizer = pre_tokenizers.Whitespace()
    assert quickest(Own(tokenizer_object=backend, unk_token="<unk>")) is None
    usual = quickest(PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="<unk>"))
    assert usual is not None
    assert usual.encode("ab a b c", False) == backend.encode("ab a b c").ids


def test_fastokens_still_reads_what_it_is_given(tokenizer: Any) -> None:
    """Its classes are used by these names."""
    fast = fastokens.Tokenizer.from_json_str(tokenizer.backend_tokenizer.to_str())
    assert fast.encode_batch(["a"], False, False)[0].ids == tokenizer("a", add_special_tokens=False)["input_ids"]
