"""Small tokenizers of the kinds that models have: SentencePiece's, in both of Transformers' conversions."""

from typing import Any

from tokenizers import AddedToken, Tokenizer, decoders, normalizers, pre_tokenizers, processors
from tokenizers.models import BPE, Unigram
from transformers import PreTrainedTokenizerFast

SPECIAL = ["<unk>", "<s>", "</s>"]
WORDS = ["▁a", "▁the", "th", "the", "▁us", "er", "▁user", "sys", "tem", "▁H", "ell", "o"]
MERGES = [
    ("▁", "a"),
    ("t", "h"),
    ("th", "e"),
    ("▁", "the"),
    ("▁", "u"),
    ("▁u", "s"),
    ("e", "r"),
    ("▁us", "er"),
    ("s", "y"),
    ("l", "l"),
]
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{{ '<s>' + message['role'] + '\n' + message['content'] + '</s>' }}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<s>assistant\n' }}{% endif %}"
)


def _vocabulary() -> dict[str, int]:
    characters = [chr(code) for code in range(0x21, 0x7F)] + ["▁"]
    merged = ["".join(pair) for pair in MERGES]
    pieces = [*SPECIAL, *(f"<0x{byte:02X}>" for byte in range(256)), *characters, *merged]
    return {piece: number for number, piece in enumerate(dict.fromkeys(pieces))}


def _wrapped(tokenizer: Tokenizer) -> Any:
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    )


def _sentencepiece() -> Tokenizer:
    vocabulary = _vocabulary()
    tokenizer = Tokenizer(BPE(vocabulary, MERGES, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return tokenizer


def by_normalizer() -> Any:
    """As Transformers converts Llama 2's: a space is put before each piece of the text."""
    tokenizer = _sentencepiece()
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    return _wrapped(tokenizer)


def by_metaspace() -> Any:
    """As Transformers converts newer ones: a space is put before the text, not after a control token."""
    tokenizer = _sentencepiece()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(replacement="▁", prepend_scheme="first", split=False)
    return _wrapped(tokenizer)


def unigram() -> Any:
    """Its model makes `<s>` of the characters itself, whatever is declared."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0), *((chr(code), -5.0) for code in range(0x20, 0x7F))]
    tokenizer = Tokenizer(Unigram(pieces, unk_id=0, byte_fallback=False))
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL])
    return _wrapped(tokenizer)
