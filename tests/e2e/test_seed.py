"""The two request bodies of the user's own document, exactly as they stand."""

import json
import re
from typing import Any

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth

SEED = PROJECT_ROOT / "tests" / "seed"


def seed(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SEED / f"{name}.json").read_text())
    return body


def assert_same_shape(reply: dict[str, Any], expected: dict[str, Any]) -> None:
    assert set(reply) - set(expected) <= {"system_fingerprint"}
    assert set(expected) <= set(reply)
    assert set(reply["usage"]) - set(expected["usage"]) <= {"prompt_tokens_details", "completion_tokens_details"}
    assert set(expected["usage"]) <= set(reply["usage"])
    assert set(expected["choices"][0]) <= set(reply["choices"][0])
    assert reply["model"] == "hearth-demo", "the reply names the model that is loaded"
    usage = reply["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_chat(hearth: Hearth) -> None:
    response = hearth.post("/v1/chat/completions", seed("chat_request"))
    assert response.status_code == 200, response.text
    reply = response.json()
    assert_same_shape(reply, seed("chat_response"))
    (choice,) = reply["choices"]
    # The white list's ids 102 to 104 are single bytes of this vocabulary, none of them a letter.
    words = re.findall("[a-z]+", choice["message"]["content"].replace("hello", " hello ").replace("world", " world "))
    assert words
    assert set(words) <= {"hello", "world"}
    assert reply["usage"]["completion_tokens"] <= 64


def test_completion_streams_five_choices_after_their_prompt(hearth: Hearth) -> None:
    body = seed("completion_request")
    texts: dict[int, str] = {}
    reasons: dict[int, str] = {}
    tokens: dict[int, list[str]] = {}
    alternatives = 0
    with hearth.stream("/v1/completions", body) as response:
        assert response.status_code == 200, response.read()
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line]
    assert lines.pop() == "[DONE]"
    for line in lines:
        (choice,) = json.loads(line)["choices"]
        index = choice["index"]
        texts[index] = texts.get(index, "") + choice["text"]
        if choice["logprobs"]:
            tokens.setdefault(index, []).extend(choice["logprobs"]["tokens"])
            # Two tokens of one text share a key in OpenAI's legacy shape.
            alternatives = max(alternatives, *(len(top or ()) for top in choice["logprobs"]["top_logprobs"]))
        if choice["finish_reason"]:
            reasons[index] = choice["finish_reason"]
    assert alternatives >= 5
    assert set(texts) == set(range(5)), "n is 5, and best_of 3 is raised to it"
    assert set(reasons.values()) <= {"length", "stop"}
    for index, text in texts.items():
        assert text.startswith(body["prompt"]), "echo"
        assert text.endswith(body["suffix"])
        generated = tokens[index][-body["max_tokens"] :]
        assert set(generated) & {"and", " and", "but", " but"}
        whole = {piece.replace("\ufffd", "") for piece in generated}  # a lone byte's sign stands in the next piece
        assert len(whole) <= 6, "the white list is four pieces of text and two ids"
