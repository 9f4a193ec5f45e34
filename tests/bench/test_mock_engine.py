"""The mock engine drives a real web tier, and both of the bench's clients read it."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from bench import wrk
from bench.client import Client
from bench.contenders import Server, events_before_text
from bench.loads import Load
from bench.restart import measure
from bench.stack import Stack
from bench.web_tier import mock_engine, web_tier
from tests.harness import chat_body

pytestmark = pytest.mark.slow

LOAD = Load("test", 4, 12, max_tokens=8)


@pytest.fixture(scope="module")
def hearth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    run_dir = tmp_path_factory.mktemp("run")
    with mock_engine(run_dir, 200), web_tier(run_dir, 1) as hearth:
        yield hearth


def test_answers_whole(hearth: Stack) -> None:
    answer = httpx.post(f"{hearth.url}/v1/chat/completions", json=chat_body("x", max_tokens=5), timeout=60).json()
    assert answer["choices"][0]["message"]["content"].split() == ["the", "fire", "is", "lit", "and"]


def test_streams_to_the_client(hearth: Stack) -> None:
    assert events_before_text(Server("hearth", hearth.port, {}), LOAD) == 1
    timings = Client(hearth.port, LOAD, opening=1).run()
    assert (timings.complete, timings.errors, timings.incomplete) == (12, 0, 0)
    assert len(timings.ttft) == 12
    assert len(timings.gaps) <= 12 * 7


@pytest.mark.parametrize("stream", [True, False])
def test_wrk_stops_after_the_last_answer(hearth: Stack, stream: bool) -> None:
    result = wrk.run(hearth.port, Load("test", 4, 12, max_tokens=8, stream=stream))
    assert result.bad == 0
    assert result.seconds < 30, "it was not left to wait for its limit"


def test_wrk_counts_bad_answers(hearth: Stack) -> None:
    assert wrk.run(hearth.port, Load("test", 2, 4, max_tokens=-2)).bad == 4


def test_a_restart_is_measured_under_load(hearth: Stack) -> None:
    assert hearth.web is not None
    server = Server("hearth", hearth.port, {"web": hearth.web.pid}, hearth)
    restart = measure(server, 1, Load("test", 8, 400, max_tokens=32))
    assert restart.lost == 0
    assert restart.seconds > 0


def test_endless_patience_is_not_had(hearth: Stack) -> None:
    with pytest.raises(wrk.LoadFailed, match="before 5 answers"):
        wrk.run(hearth.port, Load("test", 1, 5), limit=1)


def test_the_tiers_are_ended(tmp_path: Path) -> None:
    with mock_engine(tmp_path, 0), web_tier(tmp_path, 1) as hearth:
        workers = hearth.workers()
    assert not any(worker.is_running() for worker in workers)
