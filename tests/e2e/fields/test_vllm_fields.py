"""The fields that vLLM has beside OpenAI's."""

import json
from typing import Any

import pytest

from tests.e2e.fields.asking import (
    COMPLETIONS,
    END_OF_TURN,
    ENDPOINTS,
    STORY,
    TOKENIZER,
    ask,
    ids_of,
    refused,
)
from tests.harness import Hearth

both = pytest.mark.parametrize("endpoint", ENDPOINTS, ids=["chat", "completions"])


def reply_to(hearth: Hearth, endpoint: str, **fields: Any) -> Any:
    prompt: dict[str, Any] = {"prompt": STORY} if endpoint == COMPLETIONS else {"messages": [message(STORY)]}
    response = hearth.post(endpoint, {**prompt, "temperature": 0, "max_tokens": 8, **fields})
    assert response.status_code == 200, response.text
    return response.json()


def message(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


@pytest.mark.field("min_tokens")
@both
def test_min_tokens(hearth: Hearth, endpoint: str) -> None:
    stops = ["e", "a", "o"]
    assert ask(hearth, endpoint, stop=stops).completion_tokens < 10
    assert ask(hearth, endpoint, stop=stops, min_tokens=10).completion_tokens >= 10
    assert refused(hearth, endpoint, min_tokens=9, max_tokens=8)["param"] == "min_tokens"


@pytest.mark.field("bad_words")
@both
def test_bad_words(hearth: Hearth, endpoint: str) -> None:
    greedy = ask(hearth, endpoint).text
    word = greedy.split()[1].strip(",.")
    assert word not in ask(hearth, endpoint, bad_words=[word]).text


@pytest.mark.field("allowed_token_ids")
@both
def test_allowed_token_ids(hearth: Hearth, endpoint: str) -> None:
    a, b = ids_of(" the")[0], ids_of(" a")[0]
    only = ask(hearth, endpoint, allowed_token_ids=[a], white_list_token_ids=[b], temperature=2, seed=1)
    assert set(only.text.split()) == {"the", "a"}
    assert refused(hearth, endpoint, allowed_token_ids=[999_999])["param"] == "allowed_token_ids"


@pytest.mark.field("prompt_logprobs")
@both
def test_prompt_logprobs(hearth: Hearth, endpoint: str) -> None:
    reply = reply_to(hearth, endpoint, prompt_logprobs=1)
    scores = reply["choices"][0]["prompt_logprobs"] if endpoint == COMPLETIONS else reply["prompt_logprobs"]
    assert len(scores) == reply["usage"]["prompt_tokens"]
    assert scores[0] is None
    for position in scores[1:]:
        best = min(entry["rank"] for entry in position.values())
        assert best == 1
        assert all(entry["logprob"] <= 0 for entry in position.values())
    assert reply["choices"][0]["logprobs"] is None


@pytest.mark.field("return_token_ids")
@both
def test_return_token_ids(hearth: Hearth, endpoint: str) -> None:
    reply = reply_to(hearth, endpoint, return_token_ids=True)
    choice = reply["choices"][0]
    prompt_ids = choice["prompt_token_ids"] if endpoint == COMPLETIONS else reply["prompt_token_ids"]
    assert len(prompt_ids) == reply["usage"]["prompt_tokens"]
    assert len(choice["token_ids"]) == 8
    text = choice["text"] if endpoint == COMPLETIONS else choice["message"]["content"]
    assert TOKENIZER.decode(choice["token_ids"]).strip() == text.strip()


@pytest.mark.field("truncate_prompt_tokens")
@both
def test_truncate_prompt_tokens(hearth: Hearth, endpoint: str) -> None:
    short = reply_to(hearth, endpoint, truncate_prompt_tokens=5, return_token_ids=True)
    assert short["usage"]["prompt_tokens"] == 5
    assert reply_to(hearth, endpoint, truncate_prompt_tokens=2000)["usage"]["prompt_tokens"] < 200
    long = "a long story " * 2000
    prompt: dict[str, Any] = {"prompt": long} if endpoint == COMPLETIONS else {"messages": [message(long)]}
    assert reply_to(hearth, endpoint, truncate_prompt_tokens=-1, **prompt)["usage"]["prompt_tokens"] == 2048 - 8


@pytest.mark.field("priority")
@both
def test_priority_needs_an_engine_that_has_it(hearth: Hearth, endpoint: str) -> None:
    assert reply_to(hearth, endpoint, priority=0)
    assert refused(hearth, endpoint, priority=-1)["param"] == "priority"


@pytest.mark.field("cache_salt")
@both
def test_cache_salt(hearth: Hearth, endpoint: str) -> None:
    text = "A text that no other test has. " * 40
    prompt: dict[str, Any] = {"prompt": text} if endpoint == COMPLETIONS else {"messages": [message(text)]}

    def cached(**fields: Any) -> int:
        usage = reply_to(hearth, endpoint, **prompt, **fields)["usage"]
        tokens: int = usage["prompt_tokens_details"]["cached_tokens"]
        return tokens

    assert cached(cache_salt=f"one {endpoint}") == 0
    assert cached(cache_salt=f"one {endpoint}") > 0
    assert cached(cache_salt=f"two {endpoint}") == 0


@pytest.mark.field("stream_options")
@both
def test_usage_with_every_chunk(hearth: Hearth, endpoint: str) -> None:
    prompt: dict[str, Any] = {"prompt": STORY} if endpoint == COMPLETIONS else {"messages": [message(STORY)]}
    options = {"continuous_usage_stats": True, "include_usage": True}
    with hearth.stream(endpoint, {**prompt, "max_tokens": 8, "temperature": 0, "stream_options": options}) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {")]
    counts = [json.loads(line)["usage"]["completion_tokens"] for line in lines[1:]]
    assert counts == sorted(counts)
    assert counts[0] < counts[-1] == 8


@pytest.mark.field("return_token_ids", "stream")
@both
def test_token_ids_of_a_stream(hearth: Hearth, endpoint: str) -> None:
    whole = reply_to(hearth, endpoint, return_token_ids=True)["choices"][0]["token_ids"]
    prompt: dict[str, Any] = {"prompt": STORY} if endpoint == COMPLETIONS else {"messages": [message(STORY)]}
    body = {**prompt, "max_tokens": 8, "temperature": 0, "return_token_ids": True}
    with hearth.stream(endpoint, body) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {")]
    ids = [token for line in lines for choice in json.loads(line)["choices"] for token in choice.get("token_ids", [])]
    assert ids == whole
    assert END_OF_TURN not in ids


@pytest.mark.field("stream_interval")
@both
def test_tokens_are_sent_several_at_a_time(hearth: Hearth, endpoint: str) -> None:
    whole = reply_to(hearth, endpoint, max_tokens=12)["choices"][0]
    prompt: dict[str, Any] = {"prompt": STORY} if endpoint == COMPLETIONS else {"messages": [message(STORY)]}
    body = {**prompt, "max_tokens": 12, "temperature": 0, "stream_interval": 5, "return_token_ids": True}
    with hearth.stream(endpoint, body) as response:
        lines = [line.removeprefix("data: ") for line in response.iter_lines() if line.startswith("data: {")]
    choices = [choice for line in lines for choice in json.loads(line)["choices"]]
    text = "".join(choice.get("text") or choice.get("delta", {}).get("content") or "" for choice in choices)
    assert text == (whole["text"] if endpoint == COMPLETIONS else whole["message"]["content"])
    counts = [len(choice["token_ids"]) for choice in choices if choice.get("token_ids")]
    assert sum(counts) == 12
    assert counts[0] == 1 and all(count >= 5 for count in counts[1:-1])
    assert refused(hearth, endpoint, stream_interval=0)["param"] == "stream_interval"
