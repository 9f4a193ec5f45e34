"""`white_list_token` and `logit_bias` by text: English, Chinese, and emoji, which are several tokens each."""

from typing import Any

import pytest
from tokenizers import Tokenizer

from tests.e2e.fields.asking import ENDPOINTS, ask
from tests.harness import Hearth
from tests.vocabulary.streaming import streamed

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])
ONE_TOKEN = ["hello", "今天", "的", "é"]
SEVERAL_TOKENS = ["extraordinarily-long", "今天天气", "🔥", "👩‍👩‍👧‍👦"]


def generated_ids(hearth: Hearth, endpoint: str, **fields: Any) -> list[int]:
    """The ids of 12 tokens."""
    body = {"max_tokens": 12, "ignore_eos": True, "return_token_ids": True, "temperature": 0, **fields}
    body |= {"prompt": "Say: "} if endpoint == ENDPOINTS[1] else {"messages": [{"role": "user", "content": "Say: "}]}
    response = hearth.post(endpoint, body)
    assert response.status_code == 200, response.text
    ids: list[int] = response.json()["choices"][0]["token_ids"]
    assert len(ids) == 12
    return ids


def variants(tokenizer: Tokenizer, text: str) -> list[list[int]]:
    """The ids of `text` and of ` text`, if the space is not a token of its own."""
    ids, spaced = (tokenizer.encode(variant, add_special_tokens=False).ids for variant in (text, f" {text}"))
    return [ids] if spaced[1:] == ids else [ids, spaced]


@both
@pytest.mark.parametrize("text", ONE_TOKEN)
def test_a_text_that_is_one_token_is_all_that_comes(llama: Hearth, endpoint: str, text: str) -> None:
    for fields in ({"white_list_token": [text]}, {"logit_bias": {text: 100}}):
        answer = ask(llama, endpoint, "Say: ", ignore_eos=True, max_tokens=12, **fields)
        assert answer.text.replace(" ", "") == text * 12


@both
@pytest.mark.parametrize("text", SEVERAL_TOKENS)
def test_of_a_text_of_several_tokens_all_are_allowed(
    llama: Hearth, tokenizer: Tokenizer, endpoint: str, text: str
) -> None:
    allowed = {token_id for ids in variants(tokenizer, text) for token_id in ids}
    drawn = generated_ids(llama, endpoint, white_list_token=[text], temperature=2, seed=1)
    assert set(drawn) <= allowed
    assert len(set(drawn)) > 1


@both
@pytest.mark.parametrize("text", SEVERAL_TOKENS)
def test_of_a_text_of_several_tokens_the_first_is_biased(
    llama: Hearth, tokenizer: Tokenizer, endpoint: str, text: str
) -> None:
    first = {ids[0] for ids in variants(tokenizer, text)}
    assert set(generated_ids(llama, endpoint, logit_bias={text: 100})) <= first


@both
def test_a_bias_on_a_part_of_a_character_is_said(llama: Hearth, endpoint: str) -> None:
    prompt = {"prompt": "a"} if endpoint == ENDPOINTS[1] else {"messages": [{"role": "user", "content": "a"}]}
    emoji, word = (
        llama.post(endpoint, {**prompt, "max_tokens": 1, "logit_bias": {text: 1, "5": 1}}).json()
        for text in ("🔥", "extraordinarily-long")
    )
    assert "🔥" in emoji["warning"]
    assert "warning" not in word


@both
def test_a_ban_takes_another_token(llama: Hearth, tokenizer: Tokenizer, endpoint: str) -> None:
    (first, *_) = generated_ids(llama, endpoint)
    assert generated_ids(llama, endpoint, logit_bias={tokenizer.decode([first]): -100})[0] != first


@both
def test_bytes_of_emoji_make_the_same_text_whole_and_in_pieces(llama: Hearth, endpoint: str) -> None:
    fields = {"white_list_token": ["🔥", "🦉"], "temperature": 2, "ignore_eos": True, "max_tokens": 200, "seed": 5}
    whole = ask(llama, endpoint, "Say: ", **fields).text
    assert len(set(whole) - {"\ufffd", " "}) > 1
    assert "".join(streamed(llama, endpoint, "Say: ", **fields)) == whole
