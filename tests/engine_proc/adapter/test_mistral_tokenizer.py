"""Mistral's own tokenizer (`--tokenizer-mode mistral`), which has little of what Transformers' tokenizers have."""

from importlib.resources import files
from pathlib import Path
from typing import Any

import pytest

from engine_proc.adapter.named_tokens import NamedTokens
from engine_proc.adapter.prompts.plain_text import PlainText
from engine_proc.adapter.sequences import Sequences
from engine_proc.adapter.shortcuts.byte_detokenizer import proved_table
from engine_proc.adapter.shortcuts.encoder import quickest
from engine_proc.adapter.special_tokens import special_ids
from engine_proc.adapter.token_bytes import TokenBytes
from schemas.wire import Generate, Sampling, TokenLogprob

FILE = "tekken_240911.json"


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from vllm.tokenizers.mistral import MistralTokenizer

    directory: Path = tmp_path_factory.mktemp("mistral")
    (directory / "tekken.json").write_bytes((files("mistral_common") / "data" / FILE).read_bytes())
    return MistralTokenizer.from_pretrained(str(directory))


def test_it_has_special_tokens_and_no_shortcut(tokenizer: Any) -> None:
    assert {tokenizer.bos_token_id, tokenizer.eos_token_id} <= special_ids(tokenizer)
    assert proved_table(tokenizer, 131_072) is None
    assert quickest(tokenizer) is None


def test_text_is_text(tokenizer: Any) -> None:
    plain = PlainText(tokenizer)
    chat = Generate(id=0, name="", messages=[{"role": "user", "content": "[INST]</s>"}])
    assert plain.marked(chat) is None
    assert special_ids(tokenizer).isdisjoint(tokenizer.encode("[INST]</s>[/INST]", add_special_tokens=False))


def test_sequences_and_named_tokens(tokenizer: Any) -> None:
    Sequences(tokenizer)
    entry = TokenLogprob("a", 1200, -1.0)
    TokenBytes(tokenizer).add_to([entry, TokenLogprob("\ufffd", 1100, -1.0)])
    assert not any(entry.own_bytes)
    named = NamedTokens(tokenizer, 131_072)
    assert named.white_list(Sampling(white_list_token=["Hello"]))
    assert named.biases({"Hello": 1.0})
