"""Tokens that a request names, by id or by text, and how many vLLM takes of them."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any
from unittest.mock import MagicMock

import pytest
from vllm.v1.worker.gpu.sample.bad_words import BadWordsState
from vllm.v1.worker.gpu.sample.logit_bias import LogitBiasState

from engine_proc.adapter.named_tokens import (
    MAX_ALLOWED,
    MAX_BAD_WORD_TOKENS,
    MAX_BAD_WORDS,
    MAX_BIASES,
    MAX_STOP_IDS,
)
from engine_proc.adapter.sampling import SamplingRules
from tests.engine_proc.adapter.test_sampling import END, params, refused, rules

__all__ = ["rules"]

LOGIT_BIAS_PARTS = (
    "prompt_len_np",
    "num_allowed_token_ids",
    "allowed_token_ids",
    "num_logit_bias",
    "logit_bias_token_ids",
    "logit_bias",
    "min_lens",
    "num_stop_token_ids",
    "restore_when_all_masked",
    "stop_token_ids",
    "use_logit_bias",
)
"""The buffers of vLLM's `LogitBiasState`."""


# ---- tokens given as text ---------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def ids_of(tokenizer: Any) -> Callable[[str], list[int]]:
    return lambda text: list(tokenizer.encode(text, add_special_tokens=False))


@pytest.fixture(scope="module")
def word(tokenizer: Any, ids_of: Callable[[str], list[int]]) -> Callable[[bool, bool], str]:
    """A word of the vocabulary that is (or is not) one token as it stands, and one after a space."""
    parts: list[str] = sorted({tokenizer.decode([token_id]).strip() for token_id in range(len(tokenizer))})
    words = [part for part in parts if part.isascii() and part.isalpha()] + ["Zyxwvuqjk"]

    def find(bare: bool, spaced: bool) -> str:
        return next(w for w in words if (len(ids_of(w)) == 1, len(ids_of(f" {w}")) == 1) == (bare, spaced))

    return find


VARIANTS = pytest.mark.parametrize(
    ("bare", "spaced"),
    [(True, True), (True, False), (False, True), (False, False)],
    ids=["one token both ways", "one token as it stands", "one token after a space", "several tokens both ways"],
)


@VARIANTS
def test_logit_bias_by_text_biases_whole_tokens_or_else_first_ones(
    rules: SamplingRules,
    ids_of: Callable[[str], list[int]],
    word: Callable[[bool, bool], str],
    bare: bool,
    spaced: bool,
) -> None:
    text = word(bare, spaced)
    as_it_stands, after_space = ids_of(text), ids_of(f" {text}")
    biased = {as_it_stands[0]} if bare or not spaced else set()
    biased |= {after_space[0]} if spaced or not bare else set()
    assert params(rules, logit_bias={text: 2.5}).logit_bias == dict.fromkeys(biased, 2.5)


@VARIANTS
def test_a_white_list_by_text_allows_whole_tokens_or_else_all_of_them(
    rules: SamplingRules,
    ids_of: Callable[[str], list[int]],
    word: Callable[[bool, bool], str],
    bare: bool,
    spaced: bool,
) -> None:
    text = word(bare, spaced)
    allowed = set(ids_of(text)) if bare or not spaced else set()
    allowed |= set(ids_of(f" {text}")) if spaced or not bare else set()
    assert set(params(rules, white_list_token=[text]).allowed_token_ids or ()) == allowed


@pytest.mark.parametrize("text", ["小明", "🔥"])
def test_a_space_before_a_text_is_none_of_its_tokens(
    rules: SamplingRules, ids_of: Callable[[str], list[int]], text: str
) -> None:
    ids = ids_of(text)
    assert ids_of(f" {text}") == [*ids_of(" "), *ids]
    assert params(rules, logit_bias={text: 2.5}).logit_bias == {ids[0]: 2.5}
    assert set(params(rules, white_list_token=[text]).allowed_token_ids or ()) == set(ids)


def test_a_white_list_is_the_union_of_ids_and_texts(
    rules: SamplingRules, tokenizer: Any, word: Callable[[bool, bool], str], ids_of: Callable[[str], list[int]]
) -> None:
    text = word(True, True)
    allowed = params(rules, white_list_token_ids=[4, 17, 4], white_list_token=[text, END]).allowed_token_ids
    expected = {4, 17, *ids_of(text), *ids_of(f" {text}"), tokenizer.convert_tokens_to_ids(END)}
    assert allowed is not None and set(allowed) == expected
    assert len(allowed) == len(set(allowed))


def test_digits_that_are_not_ascii_are_text(rules: SamplingRules, ids_of: Callable[[str], list[int]]) -> None:
    got = params(rules, logit_bias={"\u0663": 1.0}).logit_bias  # ARABIC-INDIC DIGIT THREE
    assert got is not None and 3 not in got
    assert ids_of("\u0663")[0] in got


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("logit_bias", lambda size: {str(size): 1.0}),
        ("logit_bias", lambda size: {"7": 1.0, "99999999999999999999": 1.0}),
        ("white_list_token_ids", lambda size: [size]),
        ("white_list_token_ids", lambda size: [7, 10**6]),
    ],
    ids=["bias just outside", "bias far outside", "white list just outside", "white list far outside"],
)
def test_an_id_outside_the_vocabulary_is_refused_naming_the_field(
    rules: SamplingRules, field: str, value: Callable[[int], Any]
) -> None:
    error = refused(lambda: params(rules, **{field: value(rules.vocab_size)}))
    assert (error.status, error.param) == (400, field)
    assert str(rules.vocab_size) in error.message


def test_the_last_id_of_the_vocabulary_is_inside(rules: SamplingRules) -> None:
    last = rules.vocab_size - 1
    got = params(rules, logit_bias={str(last): 1.0}, white_list_token_ids=[last])
    assert (got.logit_bias, got.allowed_token_ids) == ({last: 1.0}, [last])


def test_a_white_list_that_a_bias_empties_is_refused(rules: SamplingRules) -> None:
    banned = {"4": -100.0, "17": -100.0}
    error = refused(lambda: params(rules, white_list_token_ids=[4, 17], logit_bias=banned))
    assert (error.status, error.param) == (400, "logit_bias")
    assert params(rules, white_list_token_ids=[4, 17, 18], logit_bias=banned).allowed_token_ids == [4, 17, 18]
    assert params(rules, white_list_token_ids=[4, 17], logit_bias={**banned, "17": -99.0}).logit_bias


# ---- limits -----------------------------------------------------------------------------------------------------


def numbers(count: int) -> list[str]:
    """As many different ids as a text would have, in digits."""
    return [str(token_id) for token_id in range(count)]


def test_the_limits_are_those_of_vllms_gpu_runner() -> None:
    """Fails when a new vLLM has others: the field descriptions and docs/compatibility.md name these numbers."""
    limits = (MAX_BIASES, MAX_ALLOWED, MAX_STOP_IDS, MAX_BAD_WORDS, MAX_BAD_WORD_TOKENS)
    assert limits == (1024, 1024, 128, 128, 1024)


def test_each_limit_is_what_vllms_gpu_runner_takes(rules: SamplingRules) -> None:
    """vLLM's own checks, which run in its worker, on requests at the limits and above."""
    state: Any = object.__new__(LogitBiasState)
    words: Any = object.__new__(BadWordsState)
    for part in LOGIT_BIAS_PARTS:
        setattr(state, part, MagicMock())
    for part in ("bad_word_token_ids", "bad_word_offsets", "num_bad_words"):
        setattr(words, part, MagicMock())
    at = params(rules, logit_bias=dict.fromkeys(numbers(MAX_BIASES), 1.0))
    state.add_request(0, at)
    at.logit_bias[MAX_BIASES] = 1.0
    with pytest.raises(ValueError, match="Too many logit bias"):
        state.add_request(0, at)
    at = params(rules, white_list_token_ids=list(range(MAX_ALLOWED)))
    state.add_request(0, at)
    at.allowed_token_ids.append(MAX_ALLOWED)
    with pytest.raises(ValueError, match="Too many allowed"):
        state.add_request(0, at)
    stops = range(MAX_STOP_IDS - len({*rules.default_stop_ids, rules.tokenizer.eos_token_id}))
    at = params(rules, min_tokens=1, stop_token_ids=list(stops))
    at.update_from_generation_config({}, rules.tokenizer.eos_token_id)
    state.add_request(0, at)
    at._all_stop_token_ids.add(MAX_STOP_IDS)
    with pytest.raises(ValueError, match="Too many stop"):
        state.add_request(0, at)
    at = params(rules, bad_words=["a"] * (MAX_BAD_WORDS // 2))
    words.add_request(0, at)
    at._bad_words_token_ids.append([1])
    with pytest.raises(ValueError, match="Too many bad words"):
        words.add_request(0, at)


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"logit_bias": dict.fromkeys(numbers(1025), 1.0)}, "logit_bias"),
        ({"logit_bias": {**dict.fromkeys(numbers(1024), 1.0), END: 1.0}}, "logit_bias"),
        ({"white_list_token_ids": list(range(1024)), "allowed_token_ids": [1024]}, "allowed_token_ids"),
        ({"white_list_token_ids": list(range(1024)), "white_list_token": [END]}, "white_list_token"),
        ({"stop_token_ids": list(range(127)), "min_tokens": 1}, "stop_token_ids"),
        ({"bad_words": ["Zyxwvuqjk"] * 65}, "bad_words"),
        ({"bad_words": ["Zyxwvuqjk" * 20] * 7}, "bad_words"),
    ],
    ids=["ids", "an id and a text", "two lists", "a list and a text", "stops", "bad words", "tokens of bad words"],
)
def test_more_tokens_than_vllm_takes_are_refused_naming_the_field(
    rules: SamplingRules, fields: dict[str, Any], field: str
) -> None:
    error = refused(lambda: params(rules, **fields))
    assert (error.status, error.param) == (400, field)
    assert any(str(limit) in error.message for limit in (1024, 128))


def test_end_tokens_have_no_limit_without_min_tokens(rules: SamplingRules) -> None:
    assert len(params(rules, stop_token_ids=list(range(1024))).stop_token_ids) > 1024


def test_a_bad_word_outside_of_the_models_vocabulary_needs_no_ban(rules: SamplingRules) -> None:
    smaller = replace(rules, vocab_size=rules.tokenizer.convert_tokens_to_ids(END))
    assert (
        params(smaller, bad_words=[END, "a"]).bad_words_token_ids == params(rules, bad_words=["a"]).bad_words_token_ids
    )


@pytest.mark.parametrize("field", ["logit_bias", "white_list_token", "bad_words"])
def test_a_text_without_tokens_is_refused(rules: SamplingRules, field: str) -> None:
    tokenizer = MagicMock(eos_token_id=None)
    tokenizer.encode = lambda text, add_special_tokens: [7] if text.startswith(" ") else []
    dropping = replace(rules, tokenizer=tokenizer)
    wanted: dict[str, Any] = {field: {"x": 1.0} if field == "logit_bias" else ["x"]}
    error = refused(lambda: params(dropping, **wanted))
    assert (error.status, error.param) == (400, field)


def test_an_id_of_thousands_of_digits_is_outside_the_vocabulary(rules: SamplingRules) -> None:
    error = refused(lambda: params(rules, logit_bias={"9" * 5000: 1.0}))
    assert (error.status, error.param) == (400, "logit_bias")
    assert len(error.message) < 200
    assert params(rules, logit_bias={"0" * 5000 + "17": 1.0}).logit_bias == {17: 1.0}
