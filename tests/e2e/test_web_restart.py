"""The web tier comes and goes; the model stays. `hearth` checks the engine's pid and load count after each test."""

import json
import os
import signal
import socket

import httpx

from tests.harness import Hearth, endless, until

CHAT = "/v1/chat/completions"
LARGE = endless(stream=True, n=6, max_tokens=800, logprobs=True, top_logprobs=20)
"""A body whose answer is soon generated and far larger than the buffers between the web worker and its client: the
kernel's alone may grow to 4 MiB."""


def ask_without_reading(hearth: Hearth) -> socket.socket:
    """A request that keeps its web worker until the answer is read."""
    connection = socket.socket()
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    connection.settimeout(200)
    connection.connect(("127.0.0.1", hearth.port))
    body = json.dumps(LARGE).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
    connection.sendall(f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body)
    assert connection.recv(15) == b"HTTP/1.1 200 OK"
    return connection


def test_a_stream_outlives_reloads_and_none_waits_for_it(hearth: Hearth) -> None:
    """While an old worker has a stream, the master reloads again, and replaces workers that are killed."""
    assert hearth.web is not None
    first = {worker.pid for worker in hearth.workers()}
    with ask_without_reading(hearth) as connection:
        until(lambda: hearth.live() == 0, 200, "all is generated, and waits to be read")
        for _ in range(2):
            before = {worker.pid for worker in hearth.workers()}
            os.kill(hearth.web.pid, signal.SIGHUP)
            until(lambda: {worker.pid for worker in hearth.workers()} - before, 60, "new workers are forked")  # noqa: B023
        for worker in hearth.workers():
            if worker.pid not in first:
                worker.kill()
        assert "Hearth" in hearth.chat("Who are you?")
        assert first & {worker.pid for worker in hearth.workers()}, "the stream's worker is there"
        stream = b"".join(iter(lambda: connection.recv(65536), b""))
    assert len(stream) > 6 * 1024 * 1024
    assert stream.count(b'"finish_reason":"length"') == 6
    assert b"data: [DONE]\n\n" in stream, "the stream was cut"
    until(lambda: not first & {worker.pid for worker in hearth.workers()}, 60, "the old workers are gone")


def test_an_idle_connection_does_not_keep_an_old_worker(hearth: Hearth) -> None:
    assert hearth.web is not None
    before = {worker.pid for worker in hearth.workers()}
    with httpx.Client(base_url=hearth.url) as client:
        for _ in range(8):
            client.get("/health")
        os.kill(hearth.web.pid, signal.SIGHUP)
        until(lambda: not before & {worker.pid for worker in hearth.workers()}, 60, "the old workers are gone")
        assert client.get("/health").status_code == 200, "the connection was closed, and is made again"


def test_a_killed_worker_is_replaced_and_its_requests_are_aborted(hearth: Hearth) -> None:
    assert hearth.web is not None
    with hearth.stream(CHAT, endless()) as response:
        next(response.iter_raw(1))
        for worker in hearth.workers():
            worker.kill()
        until(lambda: hearth.live() == 0, 8, "what the dead workers had asked for is aborted")
    until(lambda: len(hearth.workers()) == 2, 10, "workers are forked")
    assert "Hearth" in hearth.chat("Who are you?")


def test_workers_that_are_still_starting_stop_too(hearth: Hearth) -> None:
    assert hearth.web is not None
    before = {worker.pid for worker in hearth.workers()}
    os.kill(hearth.web.pid, signal.SIGHUP)
    until(lambda: {worker.pid for worker in hearth.workers()} - before, 60, "new workers are forked")
    assert hearth.stop_web() == 0
    hearth.start_web()


def test_stop_and_start_finds_the_engine_again(hearth: Hearth) -> None:
    assert hearth.stop_web() == 0
    hearth.start_web()
    assert "Hearth" in hearth.chat("Who are you?"), "at the first request: the model is there"


def test_ctrl_c_says_that_the_engine_stays(hearth: Hearth) -> None:
    assert hearth.stop_web(signal.SIGINT) == 0
    assert "The engine stays warm; `make stop` ends it." in hearth.web_log.read_text().splitlines()[-1]
    hearth.start_web()
