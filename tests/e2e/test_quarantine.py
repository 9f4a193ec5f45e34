"""Requests that kill every engine: they alone fail, and whoever is beside them sees a pause."""

import json
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.e2e.killing import AT_ONCE, KILLER_FLAG, LATE, killing_body
from tests.e2e.mixture import CHAT, LONG, STORY, STREAM, TEXT, answer_to
from tests.harness import Hearth, chat_body, serving, until

pytestmark = [pytest.mark.timeout(1800), pytest.mark.engine("killers")]  # each death costs a load

LONG_STREAM: dict[str, Any] = {**LONG, **STREAM, "max_tokens": 600}
INNOCENTS: dict[str, tuple[str, dict[str, Any]]] = {
    "a chat": (CHAT, {**chat_body("Count from 1 to 100."), **LONG_STREAM}),
    "a text": (TEXT, {"prompt": STORY, **LONG_STREAM}),
    "two texts": (TEXT, {"prompt": STORY, **LONG_STREAM, "n": 2, "logprobs": 1}),
}
MOST_DEATHS = 6
"""One that all suspects share, two for the killer that kills at once, and three for the one that kills late."""


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    flags = f"--dtype float32 {KILLER_FLAG}"
    with serving(tmp_path_factory.mktemp("killer"), HEARTH_ENGINE_ARGS=flags, HEARTH_RECOVERY_SECONDS="1500") as stack:
        yield stack


def kill(stack: Hearth, *, stream: bool, mark: float) -> tuple[int, dict[str, Any]]:
    """Send a request that kills engines. Returns its status, and its error."""
    body = killing_body(mark, stream=stream)
    with httpx.stream("POST", stack.url + CHAT, json=body, timeout=1500) as response:
        if response.status_code != 200:
            assert response.headers["X-Should-Retry"] == "false"
            return response.status_code, json.loads(response.read())["error"]
        events = [json.loads(line.removeprefix("data: ")) for line in response.iter_lines() if line[:7] == "data: {"]
    return 200, events[-1]["error"]


def test_killers_fail_and_nobody_else(stack: Hearth) -> None:
    begun: list[str] = []
    expected = {name: answer_to(stack, *request, lambda: None) for name, request in INNOCENTS.items()}
    before = stack.welcome()
    with ThreadPoolExecutor() as pool:
        running: dict[str, Future[dict[str, Any]]] = {
            name: pool.submit(answer_to, stack, *request, lambda: begun.append("one"))
            for name, request in INNOCENTS.items()
        }
        until(lambda: len(begun) == len(INNOCENTS), 60, "all have begun")
        killers = [
            pool.submit(kill, stack, stream=False, mark=LATE),
            pool.submit(kill, stack, stream=True, mark=AT_ONCE),
        ]
        errors = [killer.result(1500) for killer in killers]
        answers = {name: future.result(1500) for name, future in running.items()}
    assert answers == expected
    assert errors[0][0] == 500
    for _, error in errors:
        assert error["code"] == "engine_lost"
        assert error["message"].endswith("engines ended while they worked on this request. Do not send it again.")
    stack.wait_ready()
    assert stack.welcome().load_count - before.load_count <= MOST_DEATHS
    until(lambda: stack.live() == 0, 5, "no request is live")


def test_the_next_engine_is_left_in_peace(stack: Hearth) -> None:
    identity = stack.identity()
    assert "Hearth" in stack.chat("Who are you?")
    assert stack.identity() == identity
