"""A small model directory with a SentencePiece tokenizer, such as Llama 2's: a space is `▁`, a rare character bytes."""

import io
from pathlib import Path
from typing import Any

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, normalizers, processors
from tokenizers.models import BPE
from transformers import LlamaConfig, PreTrainedTokenizerFast
from transformers.tokenization_utils_base import generate_merges

from schemas.shared.endpoint import PROJECT_ROOT

VOCABULARY = 1200
TEMPLATE = (
    "{{ bos_token }}{% for message in messages %}{% if message['role'] == 'system' %}"
    "<<SYS>>\n{{ message['content'] }}\n<</SYS>>\n\n{% elif message['role'] == 'user' %}"
    "[INST] {{ message['content'] | trim }} [/INST]{% elif message['role'] == 'assistant' %}"
    " {{ message['content'] | trim }} {{ eos_token }}{% else %}"
    "{{ raise_exception('no such role') }}{% endif %}{% endfor %}"
)


def make(directory: Path) -> Path:
    """Train the tokenizer on the demo model's corpus, and write it and a configuration to `directory`."""
    texts = [path.read_text() for path in sorted((PROJECT_ROOT / "demo_model" / "corpus").rglob("*.txt"))]
    lines = [line for text in texts for line in text.splitlines() if line.strip()][:4000]
    trained = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines),
        model_writer=trained,
        model_type="bpe",
        vocab_size=VOCABULARY,
        byte_fallback=True,
        character_coverage=0.99,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        num_threads=1,
        minloglevel=2,
    )
    model = sentencepiece.SentencePieceProcessor(model_proto=trained.getvalue())
    vocabulary = {model.id_to_piece(token_id): token_id for token_id in range(model.get_piece_size())}
    PreTrainedTokenizerFast(
        tokenizer_object=_converted(vocabulary),
        bos_token="<s>",
        eos_token="</s>",
        unk_token="<unk>",
        chat_template=TEMPLATE,
        clean_up_tokenization_spaces=False,
    ).save_pretrained(directory)
    LlamaConfig(
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        vocab_size=len(vocabulary),
        architectures=["LlamaForCausalLM"],
    ).save_pretrained(directory)
    return directory


def _converted(vocabulary: dict[str, int]) -> Tokenizer:
    """Return the tokenizer as Transformers converts Llama 2's."""
    merges: Any = generate_merges(vocabulary)
    tokenizer = Tokenizer(BPE(vocabulary, merges, unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", vocabulary["<s>"])]
    )
    special = [AddedToken(token, special=True, normalized=False) for token in ("<unk>", "<s>", "</s>")]
    tokenizer.add_special_tokens(special)
    return tokenizer
