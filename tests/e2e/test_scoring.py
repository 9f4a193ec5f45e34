"""Log probabilities over HTTP: what each token of a prompt or an answer is worth, and which piece of the text it is."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.harness import Hearth, chat_body

if TYPE_CHECKING:
    from tests.e2e.precise import Transformers

pytestmark = pytest.mark.field("logprobs", "top_logprobs", "echo", "prompt")

COMPLETIONS = "/v1/completions"
STORY = "Once upon a time, in a land far away,"
SCRIPTS = "日本語 𠮷野家 🙂👨‍👩‍👧 é ᚠᚢᚦ ok"
SPECIAL = "<|start_header_id|>user<|end_header_id|>\n\n你好 🦉<|eot_id|>Hello"
TEXTS = [STORY, SCRIPTS, SPECIAL, "你", "def f(x):\n    return x"]


def score(hearth: Hearth, prompt: Any, **fields: Any) -> list[dict[str, Any]]:
    """The choices of a prompt that is only scored, unless `fields` say otherwise."""
    body = {"prompt": prompt, "echo": True, "logprobs": 0, "max_tokens": 0, **fields}
    response = hearth.post(COMPLETIONS, body)
    assert response.status_code == 200, response.text
    choices: list[dict[str, Any]] = response.json()["choices"]
    return choices


def expected(reference: Transformers, token_ids: list[int]) -> list[float]:
    logprobs = reference.logprobs(token_ids)
    return [float(logprobs[index, token_id]) for index, token_id in enumerate(token_ids[1:])]


# ---- the numbers ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("text", TEXTS)
def test_in_float32_a_prompt_scores_as_in_transformers(precise: Hearth, reference: Transformers, text: str) -> None:
    (choice,) = score(precise, text)
    told = choice["logprobs"]["token_logprobs"]
    assert told[0] is None
    assert told[1:] == pytest.approx(expected(reference, reference.encode(text)), abs=1e-3)
    assert (choice["text"], choice["finish_reason"]) == (text, "length")


def test_a_long_prompt(precise: Hearth, reference: Transformers) -> None:
    token_ids = reference.encode(" ".join(TEXTS) * 20)[:1500]
    (choice,) = score(precise, token_ids)
    assert choice["logprobs"]["token_logprobs"][1:] == pytest.approx(expected(reference, token_ids), abs=1e-3)


def test_in_bfloat16_it_scores_so_nearly(hearth: Hearth, reference: Transformers) -> None:
    (choice,) = score(hearth, STORY)
    told, exact = choice["logprobs"]["token_logprobs"][1:], expected(reference, reference.encode(STORY))
    assert told == pytest.approx(exact, abs=0.1)
    assert sum(told) / len(told) == pytest.approx(sum(exact) / len(exact), abs=0.03)


def test_the_alternatives_are_the_likeliest(precise: Hearth, reference: Transformers) -> None:
    (choice,) = score(precise, STORY, logprobs=5)
    logprobs = reference.logprobs(reference.encode(STORY))
    first, *tops = choice["logprobs"]["top_logprobs"]
    assert first is None
    chosen = choice["logprobs"]["tokens"][1:]
    for row, top, token in zip(logprobs, tops, chosen, strict=False):
        best = sorted(row.tolist(), reverse=True)[:5]
        others = sorted((value for text, value in top.items()), reverse=True)
        assert others[:5] == pytest.approx(best, abs=1e-3)
        assert token in top and len(top) in (5, 6)


# ---- the pieces -------------------------------------------------------------------------------------------------


def assert_pieces(choice: dict[str, Any], special: frozenset[str] = frozenset()) -> None:
    """Each token stands in the text where its offset says; special tokens that the text leaves out have no width."""
    text, told = choice["text"], choice["logprobs"]
    offsets = [*told["text_offset"], len(text)]
    for index, token in enumerate(told["tokens"]):
        piece = text[offsets[index] : offsets[index + 1]]
        assert piece == ("" if token in special else token), (index, token)


BEGIN = frozenset({"<|begin_of_text|>"})


@pytest.mark.parametrize("text", [STORY, SCRIPTS, "你", "🦉 hoots"])
@pytest.mark.parametrize("skip", [True, False], ids=["skip", "show"])
def test_offsets_in_a_prompt(hearth: Hearth, reference: Transformers, text: str, skip: bool) -> None:
    begun = reference.encode(text)
    for prompt in (text, begun[1:]):
        (choice,) = score(hearth, prompt, skip_special_tokens=skip)
        assert choice["text"] == text
        assert_pieces(choice, BEGIN)
    (choice,) = score(hearth, begun, skip_special_tokens=skip)
    assert choice["text"] == ("" if skip else "<|begin_of_text|>") + text
    assert_pieces(choice, BEGIN if skip else frozenset())


def test_offsets_in_a_prompt_that_ends_within_a_character(hearth: Hearth, reference: Transformers) -> None:
    (choice,) = score(hearth, reference.encode("Hello 🦉")[:-1])
    assert choice["text"] == "Hello \ufffd"
    assert_pieces(choice, BEGIN)


def test_offsets_in_an_answer_of_whole_characters_and_parts(hearth: Hearth) -> None:
    fields = {"white_list_token": ["🦉", "你", "é"], "ignore_eos": True, "temperature": 1.5, "top_p": 1}
    parts = 0
    for seed in range(8):
        (choice,) = score(hearth, STORY, max_tokens=24, seed=seed, **fields)
        assert choice["text"].startswith(STORY)
        parts += "\ufffd" in choice["text"]
        assert_pieces(choice, BEGIN)
    assert parts > 2


def test_special_tokens_have_width_only_where_they_are_shown(hearth: Hearth, reference: Transformers) -> None:
    token_ids = reference.encode(SPECIAL)
    added = reference.tokenizer.added_tokens_decoder.values()
    special = frozenset(token.content for token in added if token.special)
    (silent,) = score(hearth, token_ids)
    (shown,) = score(hearth, token_ids, skip_special_tokens=False)
    assert silent["text"] == reference.tokenizer.decode(token_ids, skip_special_tokens=True)
    assert shown["text"] == reference.tokenizer.decode(token_ids, skip_special_tokens=False)
    assert silent["logprobs"]["tokens"] == shown["logprobs"]["tokens"]
    assert_pieces(silent, special)
    assert_pieces(shown)


# ---- batches, choices, streams ----------------------------------------------------------------------------------


@pytest.mark.parametrize("as_ids", [False, True], ids=["texts", "ids"])
def test_a_batch_is_its_prompts_one_by_one(precise: Hearth, reference: Transformers, as_ids: bool) -> None:
    prompts: list[Any] = [reference.encode(text) for text in TEXTS] if as_ids else TEXTS
    batch = score(precise, prompts, logprobs=2)
    assert [choice["index"] for choice in batch] == list(range(len(TEXTS)))
    for prompt, choice in zip(prompts, batch, strict=True):
        (alone,) = score(precise, prompt, logprobs=2)
        assert choice["text"] == alone["text"]
        assert choice["logprobs"]["tokens"] == alone["logprobs"]["tokens"]
        told, same = (c["logprobs"]["token_logprobs"][1:] for c in (choice, alone))
        assert told == pytest.approx(same, abs=1e-3)


def test_scoring_generates_nothing(hearth: Hearth) -> None:
    reply = hearth.post(COMPLETIONS, {"prompt": STORY, "echo": True, "logprobs": 0, "max_tokens": 0}).json()
    assert reply["usage"]["completion_tokens"] == 0
    assert len(reply["choices"][0]["logprobs"]["tokens"]) == reply["usage"]["prompt_tokens"]


def test_two_choices_begin_with_the_same_prompt(hearth: Hearth) -> None:
    one, two = score(hearth, STORY, n=2, max_tokens=6, temperature=2, top_p=1, seed=3, ignore_eos=True)
    count = len(one["logprobs"]["tokens"]) - 6
    for name in ("tokens", "text_offset"):
        assert one["logprobs"][name][:count] == two["logprobs"][name][:count]
    same, told = (choice["logprobs"]["token_logprobs"][1:count] for choice in (one, two))
    assert told == pytest.approx(same, abs=0.1)
    assert one["text"] != two["text"]


@pytest.mark.parametrize("fields", [{}, {"echo": False}, {"prompt": [STORY, SCRIPTS]}, {"n": 2, "seed": 1}], ids=str)
def test_streamed_it_is_the_same(precise: Hearth, fields: dict[str, Any]) -> None:
    body = {"prompt": SCRIPTS, "echo": True, "logprobs": 3, "max_tokens": 12, "temperature": 0, **fields}
    whole = precise.post(COMPLETIONS, body).json()["choices"]
    with precise.stream(COMPLETIONS, body) as response:
        events = [event.removeprefix(b"data: ") for event in response.read().split(b"\n\n")][:-2]
    for choice in whole:
        pieces = [c for event in events for c in json.loads(event)["choices"] if c["index"] == choice["index"]]
        assert "".join(piece["text"] for piece in pieces) == choice["text"]
        for name in ("tokens", "text_offset"):
            streamed = [entry for piece in pieces for entry in (piece["logprobs"] or {}).get(name, [])]
            assert streamed == choice["logprobs"][name]
        streamed = [v for piece in pieces for v in (piece["logprobs"] or {}).get("token_logprobs", [])]
        assert streamed[1:] == pytest.approx(choice["logprobs"]["token_logprobs"][1:], abs=1e-3)


# ---- chat -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("count", [0, 20])
def test_chat(precise: Hearth, count: int) -> None:
    body = chat_body("Who are you?", logprobs=True, top_logprobs=count, max_tokens=8)
    (choice,) = precise.post("/v1/chat/completions", body).json()["choices"]
    entries = choice["logprobs"]["content"]
    assert "".join(entry["token"] for entry in entries) == choice["message"]["content"]
    for entry in entries:
        assert set(entry) == {"token", "logprob", "bytes", "top_logprobs"}
        assert bytes(entry["bytes"]).decode() == entry["token"]
        assert len(entry["top_logprobs"]) == count
        likely = [alternative["logprob"] for alternative in entry["top_logprobs"]]
        assert likely == sorted(likely, reverse=True)
        assert not likely or likely[0] == entry["logprob"]


def test_a_neighbour_that_wants_more_changes_nothing(hearth: Hearth) -> None:
    few = {"prompt": STORY, "logprobs": 1, "max_tokens": 40, "temperature": 0, "ignore_eos": True}
    many = {"prompt": "Hearth", "logprobs": 20, "max_tokens": 60, "temperature": 0, "ignore_eos": True, "n": 4}
    beams = {**many, "use_beam_search": True, "n": 1, "best_of": 4, "repetition_penalty": 1.1}
    with ThreadPoolExecutor(8) as pool:
        asked = [pool.submit(hearth.post, COMPLETIONS, body) for body in (many, beams, few, few, few)]
        _, _, *replies = [one.result().json()["choices"][0]["logprobs"] for one in asked]
    for told in replies:
        assert len(told["tokens"]) == 40
        assert all(len(top) in (1, 2) for top in told["top_logprobs"])
