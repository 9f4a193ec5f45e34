"""Beam search finds what Transformers' `generate(num_beams=...)` finds, and is served like any request."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.test_disconnect import assert_aborted, computed_tokens, send
from tests.harness import Hearth, until

if TYPE_CHECKING:
    from tests.e2e.precise import Transformers, Wire

pytestmark = pytest.mark.field("use_beam_search", "length_penalty")

COMPLETIONS = "/v1/completions"
STORY = "Once upon a time, in a land far away,"
PROMPTS = [STORY, "Hearth is", "def quicksort(arr):", "The weather today", "快速排序", "Who are you?\n"]
SETTINGS = [
    # width, tokens, length penalty
    (1, 64, 1.0),
    (2, 1, 1.0),
    (2, 16, -1.0),
    (3, 12, 2.0),
    (3, 48, 0.0),
    (4, 20, 0.5),
    (5, 8, -1.0),
    (5, 32, 1.0),
    (8, 3, 0.0),
    (8, 24, 2.0),
    (8, 64, 1.0),
    (4, 40, -0.5),
]
CASES = [(PROMPTS[(index + turn) % 6], *setting) for turn in (0, 3) for index, setting in enumerate(SETTINGS)]


@pytest.mark.parametrize(("text", "width", "tokens", "length_penalty"), CASES)
def test_the_best_sequence_is_transformers_own(
    wired: Wire, reference: Transformers, text: str, width: int, tokens: int, length_penalty: float
) -> None:
    prompt = reference.encode(text)
    settings: dict[str, Any] = {"width": width, "max_tokens": tokens, "length_penalty": length_penalty}
    assert wired.beam_search(prompt, **settings) == reference.beam_search(prompt, **settings)


class _Processors:
    """Transformers' logits processors for what it has no setting of."""

    @staticmethod
    def bias(biases: dict[int, float]) -> Any:
        def process(ids: Any, scores: Any) -> Any:
            scores = scores.clone()
            for token_id, bias in biases.items():
                scores[:, token_id] += bias
            return scores

        return process

    @staticmethod
    def white_list(allowed: list[int]) -> Any:
        def process(ids: Any, scores: Any) -> Any:
            kept = scores.new_full(scores.shape, -float("inf"))
            kept[:, allowed] = scores[:, allowed]
            return kept

        return process

    @staticmethod
    def penalties(prompt_tokens: int, presence: float, frequency: float) -> Any:
        def process(ids: Any, scores: Any) -> Any:
            scores = scores.clone()
            for row, generated in enumerate(ids[:, prompt_tokens:]):
                times = generated.bincount(minlength=scores.shape[1])
                scores[row] -= presence * (times > 0) + frequency * times
            return scores

        return process


WORDS = " the a in time land far was there king and"


@pytest.mark.parametrize("kind", ["repetition_penalty", "logit_bias", "white_list", "penalties"])
def test_what_changes_the_scores_changes_them_alike(wired: Wire, reference: Transformers, kind: str) -> None:
    from transformers import LogitsProcessorList

    prompt = reference.encode(STORY)
    words = sorted({*reference.tokenizer.encode(WORDS, add_special_tokens=False), reference.ends[0]})
    biases = {words[0]: -3.0, words[3]: 4.0}
    cases: dict[str, tuple[dict[str, Any], Any]] = {
        "repetition_penalty": ({"repetition_penalty": 1.3}, None),
        "logit_bias": ({"logit_bias": {str(i): bias for i, bias in biases.items()}}, _Processors.bias(biases)),
        "white_list": ({"white_list_token_ids": words}, _Processors.white_list(words)),
        "penalties": (
            {"presence_penalty": 0.5, "frequency_penalty": 0.3},
            _Processors.penalties(len(prompt), 0.5, 0.3),
        ),
    }
    ours, processor = cases[kind]
    theirs: dict[str, Any] = {"logits_processor": LogitsProcessorList([processor])} if processor else ours
    settings: dict[str, Any] = {"width": 4, "n": 4, "max_tokens": 24}
    assert wired.beam_search(prompt, **settings, **ours) == reference.beam_search(prompt, **settings, **theirs)


# ---- endings ----------------------------------------------------------------------------------------------------


def test_stop_token_ids_and_ignore_eos(wired: Wire, reference: Transformers) -> None:
    prompt = reference.encode(STORY)
    settings: dict[str, Any] = {"width": 3, "n": 3, "max_tokens": 24}
    (usual,) = reference.beam_search(prompt, width=3, max_tokens=24)
    stop = usual[7]
    found = wired.beam_search(prompt, **settings, stop_token_ids=[stop])
    assert found == reference.beam_search(prompt, **settings, ends=(*reference.ends, stop))
    assert any(tokens[-1] == stop for tokens in found)
    found = wired.beam_search(prompt, **settings, ignore_eos=True)
    assert found == reference.beam_search(prompt, **settings, ends=())


@pytest.mark.parametrize("include", [False, True])
def test_stop_strings(wired: Wire, reference: Transformers, include: bool) -> None:
    prompt = reference.encode(STORY)
    (usual,) = reference.beam_search(prompt, width=3, max_tokens=24)
    stop = reference.tokenizer.decode(usual[5:8])[1:-1]  # begins and ends inside of tokens
    settings: dict[str, Any] = {"width": 3, "n": 3, "max_tokens": 24}
    found = wired.ask(prompt, n=3, max_tokens=24, use_beam_search=True, stop=[stop], include_stop_str_in_output=include)
    theirs = reference.beam_search(prompt, **settings, stop_strings=[stop], tokenizer=reference.tokenizer)
    assert any(delta.stop_reason == stop for delta in found)
    for delta, tokens in zip(found, theirs, strict=True):
        text = reference.tokenizer.decode(tokens, skip_special_tokens=True)
        if delta.stop_reason == stop:
            text = text[: text.index(stop) + (len(stop) if include else 0)]
        assert (delta.text, delta.token_ids) == (text, tokens)


def test_the_contexts_end(wired: Wire, precise: Hearth, reference: Transformers) -> None:
    prompt = (reference.encode(STORY) * 300)[: precise.welcome().max_model_len - 5]
    (found,) = wired.beam_search(prompt, width=2, max_tokens=50, ignore_eos=True)
    assert len(found) == 5


# ---- as a request -----------------------------------------------------------------------------------------------


def body(**fields: Any) -> dict[str, Any]:
    return {"prompt": STORY, "use_beam_search": True, "best_of": 4, "max_tokens": 24, **fields}


def test_choices_come_best_first_with_the_models_own_log_probabilities(
    precise: Hearth, reference: Transformers
) -> None:
    reply = precise.post(COMPLETIONS, body(n=4, logprobs=2, echo=True, ignore_eos=True, max_tokens=12)).json()
    scores = []
    for choice in reply["choices"]:
        told = choice["logprobs"]
        ids = reference.encode("".join(told["tokens"][1:]))
        logprobs = reference.logprobs(ids)
        expected = [logprobs[i, token_id] for i, token_id in enumerate(ids[1:])]
        assert told["token_logprobs"][1:] == pytest.approx(expected, abs=1e-3)
        assert all(len(top) in (2, 3) for top in told["top_logprobs"][1:])
        scores.append(sum(told["token_logprobs"][-12:]) / 12)
    assert scores == sorted(scores, reverse=True)
    assert len({choice["text"] for choice in reply["choices"]}) == 4


def test_every_generated_token_is_in_the_usage(precise: Hearth) -> None:
    usage = precise.post(COMPLETIONS, body(n=2, ignore_eos=True, max_tokens=10)).json()["usage"]
    assert usage["completion_tokens"] == 1 + 9 * 4  # one step of the prompt, nine of four beams


def test_the_same_alone_twice_and_beside_others(precise: Hearth) -> None:
    wanted = body(n=2, logprobs=1)
    alone = [precise.post(COMPLETIONS, wanted).json()["choices"] for _ in range(2)]
    others = [{"prompt": f"Number {i} is", "max_tokens": 40, "logprobs": 20, "ignore_eos": True} for i in range(12)]
    with ThreadPoolExecutor(16) as pool:
        noise = [pool.submit(precise.post, COMPLETIONS, other) for other in others]
        beside = [pool.submit(precise.post, COMPLETIONS, wanted) for _ in range(3)]
        replies = [asked.result().json() for asked in beside]
        assert all(other.result().status_code == 200 for other in noise)
    texts = [choice["text"] for choice in alone[0]]
    assert [choice["text"] for choice in alone[1]] == texts
    for reply in replies:
        assert [choice["text"] for choice in reply["choices"]] == texts
        for choice, same in zip(reply["choices"], alone[0], strict=True):
            assert choice["logprobs"]["tokens"] == same["logprobs"]["tokens"]
            assert choice["logprobs"]["token_logprobs"] == pytest.approx(same["logprobs"]["token_logprobs"], abs=1e-3)


def test_streamed_each_beam_is_one_chunk(precise: Hearth) -> None:
    whole = precise.post(COMPLETIONS, body(n=3)).json()
    with precise.stream(COMPLETIONS, body(n=3)) as response:
        events = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    chunks = [json.loads(event)["choices"][0] for event in events[:-1]]
    texts = {chunk["index"]: chunk["text"] for chunk in chunks if chunk["text"]}
    assert events[-1] == "[DONE]"
    assert len([chunk for chunk in chunks if chunk["text"]]) == 3
    assert texts == {choice["index"]: choice["text"] for choice in whole["choices"]}


@pytest.mark.parametrize("fields", [{"best_of": 17}, {"n": 17, "best_of": None}], ids=["best_of", "n"])
def test_the_width_has_a_limit(precise: Hearth, fields: dict[str, Any]) -> None:
    response = precise.post(COMPLETIONS, body(**fields))
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == next(iter(fields))
    assert "HEARTH_MAX_BEAM_WIDTH" in error["message"]
    assert precise.post(COMPLETIONS, body(best_of=16, max_tokens=2)).status_code == 200


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_client_that_leaves_ends_the_search(precise: Hearth, stream: bool) -> None:
    before = computed_tokens(precise)
    connection = send(precise, body(best_of=8, ignore_eos=True, max_tokens=1500, stream=stream), COMPLETIONS)
    until(lambda: computed_tokens(precise) - before > 200, 60, "the search runs")
    assert precise.live() == 1
    assert_aborted(precise, connection, before, asked=8 * 1500)
    until(lambda: precise.pong().running == 0, 60, "vLLM has ended its sequences")
