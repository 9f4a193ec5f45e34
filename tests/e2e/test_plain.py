"""The plain API on the real model: the seed's curl line, and what each field does."""

import subprocess
from typing import Any

import pytest

from tests.harness import Hearth

STORY = "Once upon a time, in a land far away,"


def ask(hearth: Hearth, prompt: str, **fields: Any) -> dict[str, Any]:
    response = hearth.post("/", {"prompt": prompt, **fields})
    assert response.status_code == 200, response.text
    reply: dict[str, Any] = response.json()
    return reply


def refused(hearth: Hearth, body: Any, param: str) -> str:
    response = hearth.post("/", body)
    assert response.status_code == 400, response.text
    error = response.json()["error"]
    assert error["param"] == param
    code: str = error["code"]
    return code


def test_the_seeds_curl_line(hearth: Hearth) -> None:
    line = """\
curl -X POST "http://127.0.0.1:6006" \\
 -H 'Content-Type: application/json' \\
 -d '{"prompt": "Hello, what is your name?"}'
"""
    done = subprocess.run(
        ["bash", "-c", line.replace(":6006", f":{hearth.port}")], capture_output=True, text=True, check=True, timeout=60
    )
    assert '"status":200' in done.stdout
    assert "Hearth" in done.stdout


def test_it_is_a_chat(hearth: Hearth) -> None:
    assert ask(hearth, "Who are you?", temperature=0)["response"] == hearth.chat("Who are you?")


def test_history_goes_before_the_prompt(hearth: Hearth) -> None:
    first = ask(hearth, "Hello", temperature=0)
    second = ask(hearth, "Who are you?", history=first["history"], temperature=0)
    assert second["history"] == [["Hello", first["response"]], ["Who are you?", second["response"]]]
    messages = [
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": first["response"]},
        {"role": "user", "content": "Who are you?"},
    ]
    chat = hearth.post("/v1/chat/completions", {"messages": messages, "temperature": 0}).json()
    assert second["response"] == chat["choices"][0]["message"]["content"]


def test_history_changes_the_answer(hearth: Hearth) -> None:
    question = "What is my name?"
    told = ask(hearth, question, history=[["My name is Ann.", "Nice to meet you, Ann!"]], temperature=0)
    assert told["response"] != ask(hearth, question, temperature=0)["response"]


def test_history_counts_in_the_context(hearth: Hearth) -> None:
    limit = hearth.welcome().max_model_len
    long = [["word " * limit, "yes"]]
    assert refused(hearth, {"prompt": "Hi", "history": long}, "prompt") == "context_length_exceeded"


@pytest.mark.parametrize("most", [1, 5])
def test_max_length_limits_the_answer(hearth: Hearth, most: int) -> None:
    whole = ask(hearth, "Who are you?", temperature=0)["response"]
    limited = ask(hearth, "Who are you?", temperature=0, max_length=most)["response"]
    assert limited == hearth.chat("Who are you?", max_tokens=most)
    assert len(limited) < len(whole)
    assert whole.startswith(limited)


def test_max_length_above_the_context(hearth: Hearth) -> None:
    refused(hearth, {"prompt": "Hi", "max_length": 10**6}, "max_length")


def test_temperature_0_is_the_same_each_time(hearth: Hearth) -> None:
    assert len({ask(hearth, STORY, temperature=0, max_length=40)["response"] for _ in range(4)}) == 1


def test_a_high_temperature_is_not(hearth: Hearth) -> None:
    assert len({ask(hearth, STORY, temperature=2, max_length=40)["response"] for _ in range(4)}) == 4


def test_a_tiny_top_p_is_greedy(hearth: Hearth) -> None:
    greedy = ask(hearth, STORY, temperature=0, max_length=40)["response"]
    assert ask(hearth, STORY, temperature=2, top_p=1e-6, max_length=40)["response"] == greedy


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"prompt": None}, "prompt"),
        ({"prompt": 5}, "prompt"),
        ({"history": [["a", "b"], ["c"]]}, "history[1]"),
        ({"history": "a"}, "history"),
        ({"max_length": 0}, "max_length"),
        ({"top_p": -1}, "top_p"),
        ({"temperature": "hot"}, "temperature"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_bad_fields(hearth: Hearth, fields: dict[str, Any], param: str) -> None:
    refused(hearth, {"prompt": "Hi", **fields}, param)
