"""Jobs and real web workers that are killed, stopped and reloaded, over an engine that counts instead of a model."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.counting_engine import CountingEngine, text_of
from tests.e2e.resuming import CHAT, ENOUGH, RESPONSES, TEXT, Client, kill_workers, reload_web, restart_web
from tests.harness import Hearth, until
from webapp.jobs.jobs import LIVE_FILE

TOKENS = 150
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "a"}], "max_tokens": TOKENS},
    TEXT: {"prompt": "a", "n": 2, "max_tokens": TOKENS},
    RESPONSES: {"input": "a", "max_output_tokens": TOKENS},
}


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[CountingEngine]:
    with CountingEngine(tmp_path, step_seconds=0.02) as running:
        yield running


@pytest.fixture
def web(tmp_path: Path, engine: CountingEngine) -> Iterator[Hearth]:
    stack = Hearth(tmp_path, HEARTH_ENGINE_SPAWN="0")
    stack.start_web()
    yield stack
    if stack.web is not None:
        stack.stop_web()


def status_of(web: Hearth, name: str) -> str:
    found: str = web.get(f"{RESPONSES}/{name}").json()["status"]
    return found


def background(web: Hearth) -> str:
    made = web.post(RESPONSES, {**BODIES[RESPONSES], "background": True}).json()
    name: str = made["id"]
    return name


@pytest.mark.parametrize("happen", [kill_workers, restart_web, reload_web])
def test_jobs_outlive_web_workers(web: Hearth, engine: CountingEngine, happen: Callable[[Hearth], object]) -> None:
    names = [background(web) for _ in range(10)]
    clients = [Client(web, path, body) for path, body in BODIES.items()]
    happen(web)
    for client in clients:
        client.come_back()
    assert [client.text() for client in clients] == [text_of(TOKENS)] * 3
    assert clients[1].text(1) == text_of(TOKENS)
    for name in names:
        until(lambda: status_of(web, name) not in ("queued", "in_progress"), 60, "it has ended")  # noqa: B023
        body = web.get(f"{RESPONSES}/{name}").json()
        assert (body["status"], body["output"][0]["content"][0]["text"]) == ("incomplete", text_of(TOKENS))
    until(lambda: engine.live() == 0, 10, "nothing is left in the engine")


def test_any_worker_cancels(web: Hearth, engine: CountingEngine) -> None:
    for _ in range(4):  # each request has a connection of its own, and so perhaps another worker
        name = background(web)
        until(lambda: engine.live() == 1, 10, "it has begun")
        assert web.post(f"{RESPONSES}/{name}/cancel", {}).json()["status"] == "cancelled"
        assert engine.live() == 0


def test_the_sdk_reads_on_and_sees_a_cancellation(web: Hearth) -> None:
    client = web.openai()
    stream = client.responses.create(model="m", input="a", max_output_tokens=TOKENS, background=True, stream=True)
    events = [next(stream) for _ in range(ENOUGH)]
    stream.close()
    first = events[0]
    assert first.type == "response.created"
    rest = client.responses.retrieve(first.response.id, stream=True, starting_after=ENOUGH - 1)
    events.append(next(rest))
    assert client.responses.cancel(first.response.id).status == "cancelled"
    events += rest
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert events[-1].to_dict()["type"] == "response.cancelled"  # not in OpenAI's document
    assert client.responses.retrieve(first.response.id).status == "cancelled"


def test_workers_that_never_had_a_job_have_not_imported_sqlalchemy(web: Hearth) -> None:
    web.chat("a", max_tokens=3)
    assert not any("sqlalchemy" in mapped.path for worker in web.workers() for mapped in worker.memory_maps())
    background(web)
    until(lambda: (web.run_dir / LIVE_FILE).exists(), 5, "the workers know of a job")
