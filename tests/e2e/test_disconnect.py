"""A client that leaves has its request aborted, wherever the request stands, long before it would have ended."""

import json
import socket
import time
from typing import Any

import pytest

from schemas import wire
from tests.harness import Hearth, endless, until

CHAT = "/v1/chat/completions"


def send(hearth: Hearth, body: dict[str, Any], path: str = CHAT) -> socket.socket:
    """A raw connection with a whole request on it."""
    payload = json.dumps(body).encode()
    connection = socket.create_connection(("127.0.0.1", hearth.port), timeout=30)
    connection.sendall(
        b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        % (path.encode(), len(payload))
        + payload
    )
    return connection


def computed_tokens(hearth: Hearth) -> int:
    """Return how many tokens the engine has computed, of prompts and of answers."""
    (stats,) = hearth.ask(wire.AskStats())
    computed: int = stats.prompt_tokens + stats.generated_tokens
    return computed


def assert_aborted(hearth: Hearth, connection: socket.socket, before: int, asked: int) -> None:
    """Close `connection`: of the `asked` tokens, most are never computed. `before`: tokens computed for others."""
    connection.close()
    until(lambda: hearth.live() == 0, 60, "the request is aborted")
    assert computed_tokens(hearth) - before < asked / 4


def test_streaming(hearth: Hearth) -> None:
    before = computed_tokens(hearth)
    connection = send(hearth, endless(stream=True))
    assert b"200 OK" in connection.recv(65536)
    assert hearth.live() == 1
    assert_aborted(hearth, connection, before, asked=32 * 1900)


def test_waiting_for_a_whole_answer(hearth: Hearth) -> None:
    before = computed_tokens(hearth)
    connection = send(hearth, endless())
    until(lambda: hearth.live() == 1, 60, "the request runs")
    assert_aborted(hearth, connection, before, asked=32 * 1900)


def test_in_prefill(hearth: Hearth) -> None:
    prompts = [[3 + index] * 2000 for index in range(64)]  # far more than one step can prefill
    before = computed_tokens(hearth)
    connection = send(hearth, {"prompt": prompts, "max_tokens": 40}, "/v1/completions")
    until(lambda: hearth.live() == 1, 60, "the request is taken")
    assert_aborted(hearth, connection, before, asked=64 * 2000)


def test_in_the_queue(hearth: Hearth) -> None:
    busy = send(hearth, endless(n=128))
    until(lambda: hearth.pong().running > 0, 20, "the batch is full")
    others = [send(hearth, endless(n=128)) for _ in range(3)]
    until(lambda: hearth.live() == 4 and hearth.pong().waiting > 0, 20, "requests wait in the queue")
    others[2].close()
    until(lambda: hearth.live() == 3, 30, "the waiting request is aborted")
    for connection in (*others[:2], busy):
        connection.close()
    until(lambda: hearth.live() == 0, 30, "all are aborted")


@pytest.mark.parametrize("path", [CHAT])
def test_half_a_request(hearth: Hearth, path: str) -> None:
    connection = socket.create_connection(("127.0.0.1", hearth.port), timeout=30)
    head = f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: 1000\r\n\r\n{{".encode())
    time.sleep(0.2)
    connection.close()
    assert "Hearth" in hearth.chat("Who are you?")
