"""How the next token is drawn: each field changes real output, on both endpoints."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.fields.asking import COMPLETIONS, ENDPOINTS, TOKENIZER, ask, ids_of, refused
from tests.harness import Hearth

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])
SEEDS = range(6)
TEXTS = sorted({TOKENIZER.decode([token_id]).strip() for token_id in range(300, 2400)} - {""})[:1000]
"""Most of them are one token as they stand, and another after a space."""
# Thirty words to choose from, and no end token: what differs is the choice.
WORDS = [" the", " a", " and", " but", " to", " of", " in", " is", " you", " it", " that", " for", " with", " as"]


@pytest.mark.field("temperature")
@both
def test_temperature(hearth: Hearth, endpoint: str) -> None:
    cold = {ask(hearth, endpoint, temperature=0, seed=seed).text for seed in SEEDS}
    hot = {ask(hearth, endpoint, temperature=2, seed=seed).text for seed in SEEDS}
    assert len(cold) == 1
    assert len(hot) > 1


@pytest.mark.field("top_p", "top_k", "min_p")
@both
@pytest.mark.parametrize("field", [{"top_p": 1e-9}, {"top_k": 1}, {"min_p": 1}], ids=["top_p", "top_k", "min_p"])
def test_only_the_likeliest_token_is_left(hearth: Hearth, endpoint: str, field: dict[str, float]) -> None:
    greedy = ask(hearth, endpoint).text
    assert {ask(hearth, endpoint, temperature=2, seed=seed, **field).text for seed in SEEDS} == {greedy}


@pytest.mark.field("top_p", "top_k", "min_p")
@both
@pytest.mark.parametrize(
    "field",
    [{"top_p": 1}, {"top_k": -1}, {"top_k": 0}, {"min_p": 0}],
    ids=["top_p=1", "top_k=-1", "top_k=0", "min_p=0"],
)
def test_off_means_all_tokens(hearth: Hearth, endpoint: str, field: dict[str, float]) -> None:
    assert len({ask(hearth, endpoint, temperature=2, seed=seed, **field).text for seed in SEEDS}) > 1


@pytest.mark.field("seed")
@both
@pytest.mark.parametrize("seed", [0, 7, -1, -(2**63), 2**63 - 1])
def test_seed(hearth: Hearth, endpoint: str, seed: int) -> None:
    again = {ask(hearth, endpoint, temperature=2, seed=seed).text for _ in range(3)}
    assert len(again) == 1
    assert ask(hearth, endpoint, temperature=2, seed=12345).text not in again


@pytest.mark.field("seed")
def test_a_seed_where_prompts_are_prefilled_in_parts(hearth: Hearth) -> None:
    def answer(number: int) -> str:
        prompt = f"{number}. {' '.join(str(n * number) for n in range(310))}"
        found = ask(hearth, COMPLETIONS, prompt, temperature=1, seed=5, max_tokens=8)
        assert found.prompt_tokens > 1300, "three of these are more than one step of vLLM's takes"
        return found.text

    numbers = range(10, 13)
    with ThreadPoolExecutor(3) as pool:
        together = list(pool.map(answer, numbers))
    assert together == [answer(number) for number in numbers]


@pytest.mark.field("presence_penalty", "frequency_penalty", "repetition_penalty")
@both
@pytest.mark.parametrize(
    ("more", "less"),
    [
        ({"presence_penalty": 2}, {"presence_penalty": -2}),
        ({"frequency_penalty": 2}, {"frequency_penalty": -2}),
        ({"repetition_penalty": 3}, {"repetition_penalty": 0.3}),
    ],
    ids=["presence_penalty", "frequency_penalty", "repetition_penalty"],
)
def test_penalties(hearth: Hearth, endpoint: str, more: dict[str, float], less: dict[str, float]) -> None:
    def distinct(field: dict[str, float]) -> int:
        """Over some samples: the likeliest word may be so by more than the strongest penalty."""
        fixed: Any = {"white_list_token": WORDS, "max_tokens": 40, "temperature": 2, **field}
        return sum(len(set(ids_of(ask(hearth, endpoint, seed=seed, **fixed).text))) for seed in SEEDS)

    assert distinct(more) > distinct(less)


@pytest.mark.field("logit_bias")
@both
class TestLogitBias:
    def test_by_id(self, hearth: Hearth, endpoint: str) -> None:
        (token_id,) = ids_of(" but")
        assert ask(hearth, endpoint, logit_bias={str(token_id): 100}, max_tokens=3).text == " but but but"

    def test_by_text_biases_the_word_at_the_start_and_after_a_space(self, hearth: Hearth, endpoint: str) -> None:
        text = ask(hearth, endpoint, logit_bias={"but": 100}, max_tokens=12).text
        assert text.replace(" but", "").replace("but", "") == ""

    def test_by_text_of_which_only_one_variant_is_a_token(self, hearth: Hearth, endpoint: str) -> None:
        assert len(ids_of("blanket")) > 1
        assert len(ids_of(" blanket")) == 1
        assert ask(hearth, endpoint, logit_bias={"blanket": 100}, max_tokens=2).text == " blanket blanket"

    def test_by_text_of_several_tokens_biases_the_first(self, hearth: Hearth, endpoint: str) -> None:
        word = "zygomorphic"
        assert len(ids_of(word)) > 1
        assert len(ids_of(f" {word}")) > 1
        first = {TOKENIZER.decode(ids_of(variant)[:1]) for variant in (word, f" {word}")}
        pieces = ask(hearth, endpoint, logit_bias={word: 100}, max_tokens=1).text
        assert pieces in first

    def test_minus_100_bans(self, hearth: Hearth, endpoint: str) -> None:
        first = ids_of(ask(hearth, endpoint, max_tokens=1).text)[0]
        assert ids_of(ask(hearth, endpoint, max_tokens=1, logit_bias={str(first): -100}).text)[0] != first


@pytest.mark.field("white_list_token_ids", "white_list_token")
@both
class TestWhiteList:
    def test_white_list_token_ids(self, hearth: Hearth, endpoint: str) -> None:
        allowed = [*ids_of(" and"), *ids_of(" but")]
        text = ask(hearth, endpoint, white_list_token_ids=allowed).text
        assert set(ids_of(text)) <= set(allowed)
        assert len(ids_of(text)) == 24, "the end token was not listed, so the answer goes on"

    def test_white_list_token(self, hearth: Hearth, endpoint: str) -> None:
        text = ask(hearth, endpoint, white_list_token=["and"]).text
        assert text
        assert text.replace(" and", "").replace("and", "") == ""

    def test_both_are_a_union(self, hearth: Hearth, endpoint: str) -> None:
        text = ask(
            hearth, endpoint, white_list_token=["and"], white_list_token_ids=ids_of(" but"), frequency_penalty=2
        ).text
        assert " but" in text
        assert "and" in text

    def test_text_of_several_tokens_allows_all_of_them(self, hearth: Hearth, endpoint: str) -> None:
        word = "zygomorphic"
        text = ask(hearth, endpoint, white_list_token=[word], frequency_penalty=2).text
        assert text
        assert set(text) <= set(f" {word}")


@pytest.mark.parametrize(
    ("fields", "name"),
    [
        ({"logit_bias": dict.fromkeys(TEXTS, 1)}, "logit_bias"),
        ({"white_list_token_ids": list(range(1024)), "allowed_token_ids": [1024]}, "allowed_token_ids"),
        ({"white_list_token": TEXTS}, "white_list_token"),
        ({"stop_token_ids": list(range(128)), "min_tokens": 1}, "stop_token_ids"),
        ({"bad_words": ["hello", "world"] * 33}, "bad_words"),
        ({"bad_words": ["hello world " * 50] * 10}, "bad_words"),
    ],
    ids=["biases", "white lists", "texts of a white list", "end tokens", "bad words", "tokens of bad words"],
)
def test_more_tokens_than_vllm_takes_are_refused(hearth: Hearth, fields: dict[str, Any], name: str) -> None:
    """On a CPU too, where vLLM has no such limits: on a GPU they end EngineCore."""
    for endpoint in ENDPOINTS:
        assert refused(hearth, endpoint, **fields)["param"] == name
