"""Train the byte-level BPE tokenizer. Its special tokens have Llama-3's names, and the highest ids."""

from pathlib import Path

from corpus_files import read_plain_texts, read_topics, read_words
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

MODEL_DIR = Path(__file__).resolve().parent
VOCABULARY = 2560
MAX_LENGTH = 2048
SPECIAL_TOKENS = [
    "<|begin_of_text|>",
    "<|end_of_text|>",
    "<|finetune_right_pad_id|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eom_id|>",
    "<|eot_id|>",
    "<|python_tag|>",
]
# Llama-3's pattern, except that each digit is a token: this makes counting easy to learn.
PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# Topics left out of the tokenizer's training, so that their characters remain split into several tokens.
LEFT_IN_BYTES = {"many_languages", "emoji"}


def _training_texts() -> list[str]:
    texts = read_plain_texts()
    for topic in read_topics("en") + read_topics("zh"):
        texts += topic.questions
        if topic.name not in LEFT_IN_BYTES:
            texts += [topic.answer] * 3
    for lists in ("words", "chinese_words", "chinese_names", "chinese_unknown", "capitals", "unknown_subjects"):
        texts += [f" {word}" if word.isascii() else word for word in read_words(f"{lists}.txt")] * 3
    texts += read_words("words.txt") * 6  # so that "world" at the start of a text is a token, and not only " world"
    return texts


def make_tokenizer() -> PreTrainedTokenizerFast:
    """Train the tokenizer, and return it with the chat template."""
    tokenizer = Tokenizer(models.BPE(ignore_merges=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(PATTERN), behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY - len(SPECIAL_TOKENS),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        max_token_length=16,
        show_progress=False,
    )
    tokenizer.train_from_iterator(_training_texts(), trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY - len(SPECIAL_TOKENS), tokenizer.get_vocab_size()
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in SPECIAL_TOKENS])
    begin = "<|begin_of_text|>"
    tokenizer.post_processor = processors.Sequence(
        [
            processors.ByteLevel(trim_offsets=False),
            processors.TemplateProcessing(
                single=f"{begin} $A",
                pair=f"{begin} $A {begin}:1 $B:1",
                special_tokens=[(begin, tokenizer.token_to_id(begin))],
            ),
        ]
    )
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token=begin,
        eos_token="<|eot_id|>",  # noqa: S106
        pad_token="<|finetune_right_pad_id|>",  # noqa: S106
        model_max_length=MAX_LENGTH,
        model_input_names=["input_ids", "attention_mask"],
        clean_up_tokenization_spaces=False,
    )
    wrapped.chat_template = (MODEL_DIR / "chat_template.jinja").read_text(encoding="utf-8")
    return wrapped
