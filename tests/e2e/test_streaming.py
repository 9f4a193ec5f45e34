"""Server-sent events as they leave the socket."""

import json
from typing import Any

import pytest

from tests.harness import Hearth, chat_body, endless

CHAT = "/v1/chat/completions"


def events(hearth: Hearth, body: dict[str, Any], path: str = CHAT) -> list[str]:
    with hearth.stream(path, body) as response:
        assert response.status_code == 200, response.read()
        text = "".join(response.iter_text())
    assert text.endswith("\n\n")
    lines = text.removesuffix("\n\n").split("\n\n")
    assert all(line.startswith("data: ") for line in lines)
    return [line.removeprefix("data: ") for line in lines]


def contents(hearth: Hearth, body: dict[str, Any]) -> list[str]:
    chunks = [json.loads(event) for event in events(hearth, body)[:-1]]
    return [chunk["choices"][0]["delta"].get("content", "") for chunk in chunks]


@pytest.mark.field("stream", "stream_options")
def test_order_of_events(hearth: Hearth) -> None:
    body = chat_body("Who are you?", max_tokens=4, stream_options={"include_usage": True})
    *chunks, done = events(hearth, body)
    parsed = [json.loads(chunk) for chunk in chunks]
    assert done == "[DONE]"
    assert parsed[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}
    assert [chunk["choices"][0]["finish_reason"] for chunk in parsed[:-1]] == [None] * (len(parsed) - 2) + ["length"]
    assert parsed[-1]["choices"] == []
    assert parsed[-1]["usage"]["completion_tokens"] == 4
    assert all(chunk["usage"] is None for chunk in parsed[:-1])
    assert {chunk["object"] for chunk in parsed} == {"chat.completion.chunk"}


@pytest.mark.field("stream_options")
def test_no_usage_unless_asked(hearth: Hearth) -> None:
    chunks = events(hearth, chat_body("Who are you?", max_tokens=4))[:-1]
    assert all("usage" not in json.loads(chunk) for chunk in chunks)


def test_headers_keep_proxies_from_buffering(hearth: Hearth) -> None:
    with hearth.stream(CHAT, chat_body("Who are you?", max_tokens=2)) as response:
        response.read()
    assert response.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    assert response.headers["X-Accel-Buffering"] == "no"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Request-ID"].startswith("chatcmpl-")


@pytest.mark.field("stream")
def test_text_comes_while_it_is_made(hearth: Hearth) -> None:
    with hearth.stream(CHAT, endless()) as response:
        next(response.iter_raw(1))
        assert hearth.live() == 1, "the answer was held back"


def test_characters_of_several_tokens_arrive_whole(hearth: Hearth) -> None:
    # The tokens of one emoji are its bytes; a white list makes the model write nothing else.
    word = "🦉"
    body = chat_body("Say it.", white_list_token=[word], max_tokens=32, ignore_eos=True)
    pieces = contents(hearth, body)
    text = "".join(pieces)
    assert text == hearth.chat("Say it.", white_list_token=[word], max_tokens=32, ignore_eos=True)
    greeting = contents(hearth, chat_body("Say hello in many languages."))
    assert "你好" in "".join(greeting)
    assert not any("\N{REPLACEMENT CHARACTER}" in piece for piece in greeting)


def test_stop_string_across_tokens_and_chunks(hearth: Hearth) -> None:
    full = hearth.chat("Count from 1 to 20.")
    stop = full[10:22]  # several tokens, beginning and ending inside of them
    expected = full[: full.index(stop)]
    pieces = contents(hearth, chat_body("Count from 1 to 20.", stop=[stop]))
    assert "".join(pieces) == expected
    assert hearth.chat("Count from 1 to 20.", stop=stop) == expected


def test_two_choices_in_one_stream_keep_apart(hearth: Hearth) -> None:
    chunks = [json.loads(event) for event in events(hearth, chat_body("Who are you?", n=2))[:-1]]
    texts = ["", ""]
    for chunk in chunks:
        (choice,) = chunk["choices"]
        texts[choice["index"]] += choice["delta"].get("content", "")
    assert texts == [hearth.chat("Who are you?")] * 2
    assert [chunk["choices"][0]["finish_reason"] for chunk in chunks].count("stop") == 2


def test_refused_stream_has_its_own_status(hearth: Hearth) -> None:
    with hearth.stream("/v1/completions", {"prompt": [1] * 2048}) as response:
        error = json.loads(response.read())["error"]
    assert response.status_code == 400
    assert error["code"] == "context_length_exceeded"
