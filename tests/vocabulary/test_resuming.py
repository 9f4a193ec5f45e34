"""Streams whose model process is killed half way go on, with the text that they would have had."""

import json
import os
import signal
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests.e2e.fields.asking import CHAT, COMPLETIONS
from tests.harness import LOAD_SECONDS, Hearth, until

PARTS = {"white_list_token": ["🔥", "🦉", "👩‍👩‍👧‍👦", "你好", "é"]}
"""Most of these are several tokens, which are parts of characters: wherever the kill falls, it falls among them."""
# Texts in which no token is nearly as likely as the likeliest: a rounding error changes none of them.
STREAMS: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [{"role": "user", "content": "The quick brown fox"}]}),
    (CHAT, {"messages": [{"role": "user", "content": "Tell me"}]}),
    (CHAT, {"messages": [{"role": "user", "content": "今天天气怎么样？"}], **PARTS}),
    (COMPLETIONS, {"prompt": "The quick brown fox", **PARTS}),
]
TOKENS = 400


def stream(hearth: Hearth, endpoint: str, body: dict[str, Any], begun: threading.Semaphore) -> str:
    """The text of a greedy stream of 400 tokens. `begun` is released when a part of it has come."""
    text, events = "", 0
    body = {**body, "temperature": 0, "max_tokens": TOKENS, "ignore_eos": True}
    with hearth.stream(endpoint, body) as response:
        assert response.status_code == 200, response.read()
        for line in response.iter_lines():
            if line.startswith("data: {"):
                event = json.loads(line.removeprefix("data: "))
                assert "error" not in event, event
                (choice,) = event["choices"]
                text += choice["text"] if endpoint == COMPLETIONS else choice["delta"].get("content") or ""
                events += 1
                if events == 30:
                    begun.release()
    return text


def test_a_killed_model_process_loses_no_text(llama: Hearth) -> None:
    begun = threading.Semaphore(0)
    uninterrupted = [stream(llama, *request, begun) for request in STREAMS]
    begun = threading.Semaphore(0)
    before = llama.welcome()
    with ThreadPoolExecutor(len(STREAMS)) as pool:
        running = [pool.submit(stream, llama, *request, begun) for request in STREAMS]
        for _ in STREAMS:
            assert begun.acquire(timeout=60)
        live = llama.live()
        os.kill(before.pid, signal.SIGKILL)
        texts = [future.result(LOAD_SECONDS) for future in running]
    assert live == len(STREAMS), "all were under way"
    assert texts == uninterrupted
    until(lambda: llama.welcome().load_count == before.load_count + 1, 5, "the model was loaded again")
