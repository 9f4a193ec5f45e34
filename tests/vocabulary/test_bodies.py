"""The seed's two bodies and beam search, over 128,256 tokens."""

import json
from typing import Any

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.e2e.fields.asking import COMPLETIONS, ENDPOINTS, ask
from tests.harness import Hearth

SEED = PROJECT_ROOT / "tests" / "seed"
STORY = "Once upon a time"


def seed(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SEED / f"{name}.json").read_text())
    return body


def test_the_chat_body(llama: Hearth) -> None:
    response = llama.post("/v1/chat/completions", seed("chat_request"))
    assert response.status_code == 200, response.text
    (choice,) = response.json()["choices"]
    content = choice["message"]["content"].replace("\ufffd", "").replace(" ", "")  # ids 102 to 104 are bytes
    assert content
    assert not content.replace("hello", "").replace("world", "")


def test_the_completion_body(llama: Hearth) -> None:
    body = seed("completion_request")
    texts = dict.fromkeys(range(5), "")
    offsets: dict[int, list[int]] = {index: [] for index in texts}
    with llama.stream(COMPLETIONS, body) as response:
        assert response.status_code == 200, response.read()
        *lines, done = (line.removeprefix("data: ") for line in response.iter_lines() if line)
    assert done == "[DONE]"
    for line in lines:
        (choice,) = json.loads(line)["choices"]
        texts[choice["index"]] += choice["text"]
        offsets[choice["index"]] += (choice["logprobs"] or {}).get("text_offset", [])
    for index, text in texts.items():
        assert text.startswith(body["prompt"])
        assert text.endswith(body["suffix"])
        assert offsets[index] == sorted(offsets[index])
        assert "and" in text.removeprefix(body["prompt"]) or "but" in text


@pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])
@pytest.mark.parametrize("fields", [{}, {"repetition_penalty": 1.2}, {"logit_bias": {"你好": -5}}], ids=str)
def test_beams_are_found_again_and_differ(llama: Hearth, endpoint: str, fields: dict[str, Any]) -> None:
    beams = {"use_beam_search": True, "best_of": 4, "n": 3, "max_tokens": 12, **fields}
    texts = ask(llama, endpoint, STORY, **beams).texts
    assert len(set(texts)) == 3
    assert ask(llama, endpoint, STORY, **beams).texts == texts


def test_the_best_beam_is_at_least_as_likely_as_the_greedy_text(llama: Hearth) -> None:
    fields = {"logprobs": 0, "max_tokens": 12, "ignore_eos": True}
    greedy = ask(llama, COMPLETIONS, STORY, **fields)
    beams = ask(llama, COMPLETIONS, STORY, use_beam_search=True, best_of=6, n=6, **fields)
    assert beams.mean_logprobs == sorted(beams.mean_logprobs, reverse=True)
    assert beams.mean_logprobs[0] >= greedy.mean_logprobs[0]


def test_a_beam_of_one_is_the_greedy_text(llama: Hearth) -> None:
    assert ask(llama, COMPLETIONS, STORY, use_beam_search=True).text == ask(llama, COMPLETIONS, STORY).text
