"""The web tier comes and goes; the model stays. `hearth` checks the engine's pid and load count after each test."""

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor

import httpx

from tests.harness import Hearth, endless, until

CHAT = "/v1/chat/completions"
CHOICES = 32  # so many take long enough that the web tier is new before they end


def read_whole(hearth: Hearth, choices: int = CHOICES) -> bytes:
    with hearth.stream(CHAT, endless(n=choices)) as response:
        return response.read()


def test_hup_under_a_running_stream(hearth: Hearth) -> None:
    assert hearth.web is not None
    before = {worker.pid for worker in hearth.workers()}
    with ThreadPoolExecutor(1) as pool:
        # Read all the while: a client that does not is cut off as a slow reader.
        reading = pool.submit(read_whole, hearth)
        until(lambda: hearth.live() == 1, 20, "the stream runs")
        os.kill(hearth.web.pid, signal.SIGHUP)
        until(lambda: {worker.pid for worker in hearth.workers()} - before, 10, "new workers are forked")
        assert "Hearth" in hearth.chat("Who are you?")
        assert not reading.done(), "the stream still runs"
        stream = reading.result(200)
    assert stream.count(b'"finish_reason":"length"') == CHOICES
    assert stream.endswith(b"data: [DONE]\n\n"), "the stream was cut"
    until(lambda: not before & {worker.pid for worker in hearth.workers()}, 10, "the old workers are gone")


def test_an_idle_connection_does_not_keep_an_old_worker(hearth: Hearth) -> None:
    assert hearth.web is not None
    before = {worker.pid for worker in hearth.workers()}
    with httpx.Client(base_url=hearth.url) as client:
        for _ in range(8):
            client.get("/health")
        os.kill(hearth.web.pid, signal.SIGHUP)
        until(lambda: not before & {worker.pid for worker in hearth.workers()}, 60, "the old workers are gone")
        assert client.get("/health").status_code == 200, "the connection was closed, and is made again"


def test_a_reload_waits_for_no_old_worker(hearth: Hearth) -> None:
    """While an old worker finishes a stream, the master reloads again, and replaces workers that are killed."""
    assert hearth.web is not None
    first = {worker.pid for worker in hearth.workers()}
    with ThreadPoolExecutor(1) as pool:
        # So few that no pause of this process looks like a slow reader.
        reading = pool.submit(read_whole, hearth, 4)
        until(lambda: hearth.live() == 1, 20, "the stream runs")
        for _ in range(2):
            before = {worker.pid for worker in hearth.workers()}
            os.kill(hearth.web.pid, signal.SIGHUP)
            until(lambda: {worker.pid for worker in hearth.workers()} - before, 30, "new workers are forked")  # noqa: B023
        for worker in hearth.workers():
            if worker.pid not in first:
                worker.kill()
        assert "Hearth" in hearth.chat("Who are you?")
        assert not reading.done(), "the stream still runs"
        assert reading.result(200).endswith(b"data: [DONE]\n\n"), "the stream was cut"


def test_a_killed_worker_is_replaced_and_its_requests_are_aborted(hearth: Hearth) -> None:
    assert hearth.web is not None
    with hearth.stream(CHAT, endless()) as response:
        next(response.iter_raw(1))
        for worker in hearth.workers():
            worker.kill()
        until(lambda: hearth.live() == 0, 8, "what the dead workers had asked for is aborted")
    until(lambda: len(hearth.workers()) == 2, 10, "workers are forked")
    assert "Hearth" in hearth.chat("Who are you?")


def test_stop_and_start_finds_the_engine_again(hearth: Hearth) -> None:
    assert hearth.stop_web() == 0
    began = time.monotonic()
    hearth.start_web()
    assert "Hearth" in hearth.chat("Who are you?")
    assert time.monotonic() - began < 15, "the model was not there"


def test_ctrl_c_says_that_the_engine_stays(hearth: Hearth) -> None:
    assert hearth.stop_web(signal.SIGINT) == 0
    assert "The engine stays warm; `make stop` ends it." in hearth.web_log.read_text().splitlines()[-1]
    hearth.start_web()
