"""Log probabilities of answers and prompts, of which each token is a piece of the text."""

import json
import math
from typing import Any

import pytest
from tokenizers import Tokenizer

from bench import llama3
from tests.e2e.fields.asking import CHAT, COMPLETIONS
from tests.harness import Hearth, chat_body
from tests.vocabulary.test_tokenizer import TEXTS

MIXED = "Hello, 世界 🔥 Привет नमस्ते 👩‍👩‍👧‍👦 مرحبا ᚠᛇᚻ"


def assert_pieces(choice: dict[str, Any]) -> None:
    """Each token but the begin token stands in the text where its offset says."""
    told = choice["logprobs"]
    ends = [*told["text_offset"][1:], len(choice["text"])]
    for token, begin, end in zip(told["tokens"], told["text_offset"], ends, strict=True):
        assert choice["text"][begin:end] == ("" if token == llama3.BEGIN else token)


@pytest.mark.parametrize("prompt", [MIXED, *TEXTS], ids=lambda text: ascii(text)[1:13])
def test_a_prompt_is_scored_token_by_token(llama: Hearth, tokenizer: Tokenizer, prompt: str) -> None:
    body = {"prompt": prompt, "echo": True, "logprobs": 20, "max_tokens": 0}
    (choice,) = llama.post(COMPLETIONS, body).json()["choices"]
    told = choice["logprobs"]
    assert len(told["tokens"]) == len(tokenizer.encode(prompt).ids)
    assert choice["text"] == prompt
    assert "".join(told["tokens"][1:]) == prompt
    assert told["token_logprobs"][0] is None
    assert all(logprob <= 0 and math.isfinite(logprob) for logprob in told["token_logprobs"][1:])
    assert_pieces(choice)


def test_a_prompt_and_its_answer_are_scored_in_one(llama: Hearth) -> None:
    body = {"prompt": MIXED, "echo": True, "logprobs": 3, "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    (whole,) = llama.post(COMPLETIONS, body).json()["choices"]
    assert whole["text"].startswith(MIXED)
    assert_pieces(whole)
    with llama.stream(COMPLETIONS, body) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line][:-1]
    pieces = [choice for event in events for choice in json.loads(event)["choices"]]
    assert "".join(piece["text"] for piece in pieces) == whole["text"]
    for name in ("tokens", "text_offset"):
        streamed = [entry for piece in pieces for entry in (piece["logprobs"] or {}).get(name, [])]
        assert streamed == whole["logprobs"][name]


def test_twenty_alternatives_of_each_token(llama: Hearth) -> None:
    body = chat_body(MIXED, logprobs=True, top_logprobs=20, max_tokens=40, ignore_eos=True)
    (choice,) = llama.post(CHAT, body).json()["choices"]
    entries = choice["logprobs"]["content"]
    assert len(entries) == 40
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    for entry in entries:
        likely = [alternative["logprob"] for alternative in entry["top_logprobs"]]
        assert len(likely) == 20
        assert likely == sorted(likely, reverse=True)
        assert likely[0] == entry["logprob"]
    spelt = bytes(byte for entry in entries for byte in entry["bytes"])
    assert spelt.decode(errors="ignore").strip() == choice["message"]["content"].replace("\ufffd", "").strip()


def test_parts_of_characters_have_their_own_bytes_and_places(llama: Hearth) -> None:
    drawn = {"white_list_token": ["🔥", "世", "👩"], "ignore_eos": True, "temperature": 2, "seed": 1, "max_tokens": 60}
    (choice,) = llama.post(CHAT, chat_body("a", logprobs=True, top_logprobs=20, **drawn)).json()["choices"]
    entries = choice["logprobs"]["content"]
    spelt = bytes(byte for entry in entries for byte in entry["bytes"])
    content, text = choice["message"]["content"], spelt.decode(errors="replace")
    assert text.startswith(content)
    assert text == content or "\N{REPLACEMENT CHARACTER}" in text[len(content) :], "a character that was not whole"
    parts = [entry for entry in entries if not _is_text(bytes(entry["bytes"]))]
    assert parts
    for entry in parts:
        names = [bytes(top["bytes"]) for top in entry["top_logprobs"]]
        assert len(set(names)) == len(names)
    (choice,) = llama.post(COMPLETIONS, {"prompt": "a", "logprobs": 20, **drawn}).json()["choices"]
    assert {len(top) for top in choice["logprobs"]["top_logprobs"]} <= {20, 21}


def _is_text(token: bytes) -> bool:
    try:
        token.decode()
    except UnicodeDecodeError:
        return False
    return True


def test_a_prompt_of_the_whole_context_is_scored(llama: Hearth) -> None:
    ids = [llama3.BEGIN_ID, *range(1000, 3000)]
    (choice,) = llama.post(COMPLETIONS, {"prompt": ids, "echo": True, "logprobs": 1, "max_tokens": 1}).json()["choices"]
    assert len(choice["logprobs"]["tokens"]) == len(ids) + 1
    assert_pieces(choice)
