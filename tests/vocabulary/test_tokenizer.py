"""The tokenizer is Llama 3's own, and the server counts and returns its tokens as they are."""

from random import Random

import pytest
import tiktoken
from tiktoken.load import load_tiktoken_bpe
from tokenizers import Tokenizer

from bench import llama3
from tests.e2e.fields.asking import CHAT, COMPLETIONS, ask
from tests.harness import Hearth

PATTERN = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
    r"\s*[\r\n]+|\s+(?!\S)|\s+"
)
"""How Meta's code splits a text before the byte pairs."""
TEXTS = [
    "Hello, world! It's 12345 o'clock, isn't it?",
    "今天天气怎么样？𠮷野家のラーメン、맛있어요",
    "🔥🦉 👩‍👩‍👧‍👦 🇨🇭 👍🏽",
    "Привет, мир. مرحبا بالعالم. नमस्ते दुनिया. ᚠᛇᚻ e\u0301",
    "  two  spaces \n\n\t\ttabs\r\n and a null \0 and \ufffd",
    "Hello . It 's fine , no ?",
    "def f(x):\n    return x  # done",
]


def random_texts(count: int) -> list[str]:
    random = Random(3)
    ranges = [(32, 0x250), (0x370, 0x3000), (0x4E00, 0x9FFF), (0x1F300, 0x1FAFF), (9, 13), (32, 33)]
    return [
        "".join(chr(random.randrange(*random.choice(ranges))) for _ in range(random.randrange(1, 60)))
        for _ in range(count)
    ]


def test_it_has_the_ids_of_metas_own_code(tokenizer: Tokenizer) -> None:
    special = {token: llama3.BEGIN_ID + index for index, token in enumerate(llama3.SPECIAL_TOKENS)}
    ranks = load_tiktoken_bpe(str(llama3.tokenizer_file()))
    meta = tiktoken.Encoding("llama-3", pat_str=PATTERN, mergeable_ranks=ranks, special_tokens=special)
    assert tokenizer.get_vocab_size() == meta.n_vocab == llama3.VOCABULARY
    for text in (*TEXTS, *random_texts(300)):
        ids = meta.encode(text)
        assert tokenizer.encode(text, add_special_tokens=False).ids == ids
        assert tokenizer.encode(text).ids == [llama3.BEGIN_ID, *ids]
    for token, token_id in special.items():
        assert tokenizer.token_to_id(token) == token_id


@pytest.mark.parametrize("text", [*TEXTS, "".join(random_texts(20))], ids=lambda text: ascii(text)[1:13])
def test_there_and_back(llama: Hearth, tokenizer: Tokenizer, text: str) -> None:
    reply = llama.post("/tokenize", {"prompt": text, "add_special_tokens": False, "return_token_strs": True}).json()
    ids = tokenizer.encode(text, add_special_tokens=False).ids
    assert (reply["tokens"], reply["count"]) == (ids, len(ids))
    assert reply["token_strs"] == [tokenizer.id_to_token(token_id) for token_id in ids]
    assert llama.post("/detokenize", {"tokens": ids}).json() == {"prompt": text}


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[1:13])
def test_a_prompt_begins_with_one_begin_token(llama: Hearth, tokenizer: Tokenizer, text: str) -> None:
    reply = llama.post(COMPLETIONS, {"prompt": text, "max_tokens": 1, "return_token_ids": True}).json()
    ids = [llama3.BEGIN_ID, *tokenizer.encode(text, add_special_tokens=False).ids]
    assert reply["choices"][0]["prompt_token_ids"] == ids
    assert reply["usage"]["prompt_tokens"] == len(ids)
    assert llama.post("/tokenize", {"prompt": text}).json()["tokens"] == ids
    assert ask(llama, COMPLETIONS, ids, max_tokens=1).prompt_tokens == len(ids), "ids are taken as they are"


@pytest.mark.parametrize("text", TEXTS, ids=lambda text: ascii(text)[1:13])
def test_a_chat_begins_with_one_begin_token(llama: Hearth, tokenizer: Tokenizer, text: str) -> None:
    turns = [("system", "Be brief."), ("user", text.strip()), ("assistant", None)]
    rendered = llama3.BEGIN + "".join(
        f"<|start_header_id|>{role}<|end_header_id|>\n\n" + ("" if said is None else f"{said}<|eot_id|>")
        for role, said in turns
    )
    ids = tokenizer.encode(rendered, add_special_tokens=False).ids
    messages = [{"role": role, "content": said} for role, said in turns if said is not None]
    reply = llama.post(CHAT, {"messages": messages, "max_tokens": 1, "return_token_ids": True}).json()
    assert reply["prompt_token_ids"] == ids
    assert ids.count(llama3.BEGIN_ID) == 1
    assert reply["usage"]["prompt_tokens"] == len(ids)
    assert llama.post("/tokenize", {"messages": messages}).json()["tokens"] == ids
