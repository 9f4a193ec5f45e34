"""The examples, run as a user runs them."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.e2e.test_seed import seed
from tests.harness import Hearth

EXAMPLES = PROJECT_ROOT / "examples"


def run(hearth: Hearth, *command: str | Path, status: int = 0) -> subprocess.CompletedProcess[str]:
    env = {**hearth.env, "HEARTH_URL": hearth.url}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == status, done.stdout + done.stderr
    return done


def test_curl(hearth: Hearth) -> None:
    sections = run(hearth, EXAMPLES / "curl.sh").stdout.split("== ")[1:]
    plain, chat, completion, conversation = (section.splitlines()[1:] for section in sections)

    reply = json.loads(plain[0])
    assert reply["status"] == 200
    assert "Hearth" in reply["response"]

    assert json.loads(chat[0])["object"] == "chat.completion"
    assert json.loads(chat[1])["deleted"] is True

    events = [line.removeprefix("data: ") for line in completion if line]
    assert events.pop() == "[DONE]"
    assert len([event for event in events if json.loads(event)["choices"][0]["text"]]) > 5

    replies = [json.loads(line) for line in conversation if line]
    answers = [reply["choices"][0]["message"]["content"] for reply in replies[:2]]
    said = [message["content"] for message in replies[2]["messages"]]
    assert said == ["Hello!", answers[0], "Who are you?", answers[1]]
    assert replies[3]["deleted"] is True


def test_curl_shows_every_field_of_the_seed() -> None:
    script = (EXAMPLES / "curl.sh").read_text()
    shown = script.split("/v1/chat/completions '", 1)[1].split("\n}'", 1)[0] + "\n}"
    body = json.loads(shown.replace("'\"$id\"'", "42").replace('"42"', "42"))
    assert body == seed("chat_request")


def test_curl_fails_where_nobody_answers(hearth: Hearth) -> None:
    env = {**hearth.env, "HEARTH_URL": "http://127.0.0.1:1"}
    done = subprocess.run([EXAMPLES / "curl.sh"], env=env, capture_output=True, timeout=20, check=False)
    assert done.returncode != 0


def test_openai_sdk(hearth: Hearth) -> None:
    lines = run(hearth, sys.executable, EXAMPLES / "openai_sdk.py").stdout.splitlines()
    said: dict[str, list[str]] = {}
    for line in lines:
        what, found, text = line.partition(": ")
        if found:
            said.setdefault(what, []).append(text)
    answer = hearth.chat("Who are you?").splitlines()[0]
    assert said["chat"] == [answer]
    assert said["streamed"] == [answer]
    words = said["white list"][0].replace("hello", "").replace("world", "")
    assert set(words) <= set("helowrd ") and words != said["white list"][0]
    assert len(said["beam 0"]) == len(said["beam 1"]) == 1
    assert said["beam 0"] != said["beam 1"]
    assert said["calls"] == ['get_weather {"city": "Paris"}']
    assert "sunny" in said["with its result"][0]
    assert json.loads(said["typed"][0]).keys() == {"yes"}
    assert said["response"][0]
    assert len(said["in a conversation"]) == 2
    assert "Answer briefly" not in said["stored"][0], "an enforced instruction is not stored"
    assert "Who are you?" in said["stored"][0]
    assert said["a mistake"][0].startswith("top_k")


@pytest.mark.parametrize("at_once", [1, 8])
def test_batch_client(hearth: Hearth, tmp_path: Path, at_once: int) -> None:
    prompts = ["Who are you?", "", "Hello", "你好", *["Who are you?"] * 10]
    source, target = tmp_path / "prompts.txt", tmp_path / "answers.jsonl"
    source.write_text("\n".join(prompts))
    done = run(
        hearth,
        sys.executable,
        EXAMPLES / "batch_client.py",
        source,
        target,
        "--at-once",
        str(at_once),
        "--max-tokens",
        "30",
    )
    records = {record["line"]: record for record in map(json.loads, target.read_text().splitlines())}
    assert {line: record["prompt"] for line, record in records.items()} == {
        line: prompt for line, prompt in enumerate(prompts, 1) if prompt
    }
    assert records[1]["answer"] == hearth.chat("Who are you?", max_tokens=30)
    assert all(0 < record["tokens"] <= 30 for record in records.values())
    assert "13/13" in done.stderr, "the progress bar"
    assert "13 answered, 0 failed" in done.stdout


def test_batch_client_goes_on_after_a_prompt_that_fails(hearth: Hearth, tmp_path: Path) -> None:
    source, target = tmp_path / "prompts.txt", tmp_path / "answers.jsonl"
    source.write_text("Hello\n" + "word " * 5000 + "\nWho are you?\n")
    run(hearth, sys.executable, EXAMPLES / "batch_client.py", source, target, "--max-tokens", "10", status=1)
    records = {record["line"]: record for record in map(json.loads, target.read_text().splitlines())}
    assert "context" in records[2]["error"]
    assert records[1]["answer"] and records[3]["answer"]
