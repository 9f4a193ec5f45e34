"""Workers that are lost, databases that fail, engines that go: no line has two results, and none has none."""

import random
from collections import Counter
from typing import Any

import pytest

from schemas import wire
from tests.fake_engine import LOADING, READY, FakeEngine, complete, welcome
from tests.webapp.asking import hold
from tests.webapp.batches.conftest import Web, some
from tests.webapp.conftest import MakeApp, wait_until
from tests.webapp.workers import batches_of, die, jobs_of, show_no_sign_of_life, take_part
from webapp.batches.pace import Pace
from webapp.batches.run import BatchRun

pytestmark = pytest.mark.slow


@pytest.fixture
def workers(engines: list[FakeEngine], make_app: MakeApp) -> list[Web]:
    """Two workers of one database, each with an engine of its own."""
    return [Web(make_app(endpoint=engine.endpoint, batch_at_once=2).test_client()) for engine in engines]


def check_whole(web: Web, batch: str, count: int) -> None:
    """Every line has one result."""
    ended = web.ended(batch)
    assert ended["status"] == "completed"
    assert ended["request_counts"] == {"total": count, "completed": count, "failed": 0}
    results = web.results(ended["output_file_id"])
    assert [result["custom_id"] for result in results] == [f"q{number}" for number in range(count)]
    assert web.client.get(f"/v1/files/{ended['output_file_id']}").get_json()["bytes"] == sum(
        len(line) + 1 for line in web.client.get(f"/v1/files/{ended['output_file_id']}/content").data.splitlines()
    )


def answer(engine: FakeEngine, request: wire.Generate) -> None:
    engine.send(wire.Deltas(batch=[wire.Delta(request.id, 0, "x", [1], "stop")]))


def test_a_lost_workers_batch_goes_on_with_the_lines_that_have_no_result(
    workers: list[Web], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = workers
    engines[0].on_generate = hold
    take_part(one.client)
    batch = one.make(some(5))
    wait_until(lambda: len(engines[0].messages(wire.Generate)) == 2)
    answer(engines[0], engines[0].messages(wire.Generate)[1])
    wait_until(lambda: one.get(batch)["request_counts"]["completed"] == 1)
    die(one.client, monkeypatch)
    take_part(two.client)
    check_whole(two, batch, 5)
    assert len(engines[1].messages(wire.Generate)) == 4, "a line that had its result was answered again"


def test_a_worker_that_was_thought_lost_stores_nothing(
    workers: list[Web], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = workers
    engines[0].on_generate = hold
    take_part(one.client)
    batch = one.make(some(3))
    wait_until(lambda: len(engines[0].messages(wire.Generate)) == 2)
    with monkeypatch.context() as silent:
        show_no_sign_of_life(one.client, silent)
        take_part(two.client)
        wait_until(lambda: engines[1].messages(wire.Generate))
        for request in engines[0].messages(wire.Generate):
            answer(engines[0], request)
        wait_until(lambda: not batches_of(one.client)._running)
    check_whole(two, batch, 3)


def test_a_worker_that_takes_its_own_batch_again_keeps_it(workers: list[Web], engines: list[FakeEngine]) -> None:
    """The run that has lost the lease may end after the next one of the same worker has begun."""
    one, _ = workers
    engines[0].on_generate = hold
    take_part(one.client)
    batch = one.make(some(1))
    wait_until(lambda: engines[0].messages(wire.Generate))
    ((n, run),) = batches_of(one.client)._running.items()
    batches_of(one.client)._end(n, BatchRun(batches_of(one.client), run._job))
    assert (batches_of(one.client)._running, jobs_of(one.client).leases._held) == ({n: run}, {n: run})
    answer(engines[0], engines[0].messages(wire.Generate)[0])
    check_whole(one, batch, 1)


def test_a_worker_that_ends_gives_its_batch_to_another_at_once(workers: list[Web], engines: list[FakeEngine]) -> None:
    one, two = workers
    engines[0].on_generate = hold
    take_part(one.client)
    batch = one.make(some(3))
    wait_until(lambda: engines[0].messages(wire.Generate))
    jobs_of(one.client).leases.end()
    wait_until(lambda: engines[0].messages(wire.Abort))
    take_part(two.client)
    check_whole(two, batch, 3)


def test_a_lost_worker_is_told_of_in_another_worker_that_cancels(workers: list[Web], engines: list[FakeEngine]) -> None:
    one, two = workers
    engines[0].on_generate = hold
    take_part(one.client)
    batch = one.make(some(3))
    wait_until(lambda: engines[0].messages(wire.Generate))
    told = two.client.post(f"/v1/batches/{batch}/cancel").get_json()
    assert told["status"] == "cancelling"
    assert two.ended(batch)["status"] == "cancelled"
    assert engines[0].messages(wire.Abort)


def test_a_database_that_fails_for_a_while_costs_no_line(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    """As a full disk does: nothing can be stored, and then it can again."""
    batches, numbers = batches_of(web.client), random.Random(7)
    real, failures = batches.call, Counter[str]()

    def unsteady(name: str, *arguments: Any) -> Any:
        if name in ("add_results", "end", "begin") and numbers.random() < 0.5:
            failures[name] += 1
            if numbers.random() < 0.5:
                real(name, *arguments)  # it was stored, and nobody is told
            raise OSError("the disk is full")
        return real(name, *arguments)

    monkeypatch.setattr(batches, "call", unsteady)
    check_whole(web, web.make(some(30)), 30)
    assert failures["add_results"] > 3


def test_an_engine_that_is_loading_or_restarts_is_waited_for(web: Web, engine: FakeEngine) -> None:
    engine.on_generate = hold
    batch = web.make(some(3))
    wait_until(lambda: len(engine.messages(wire.Generate)) == 3)
    engine.on_generate = complete
    engine.restart("second")
    check_whole(web, batch, 3)


def test_what_kills_workers_again_and_again_fails(
    workers: list[Web], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.batches.run.MOST_LOSSES", 0)
    one, two = workers
    engines[0].on_generate = hold
    take_part(one.client)
    batch = one.make(some(1))
    wait_until(lambda: engines[0].messages(wire.Generate))
    die(one.client, monkeypatch)
    take_part(two.client)
    ended = two.ended(batch)
    assert (ended["status"], ended["errors"]["data"][0]["code"]) == ("failed", "workers_lost")


def allowed(engine: FakeEngine, pace: Pace, **pong: Any) -> int:
    """How many lines may be in an engine that says so of itself."""
    engine.pong = wire.Pong(instance="first", load=READY, **pong)
    pace._engine._questions._cache.clear()
    return pace._allowed()


def test_lines_make_room_for_those_who_wait(web: Web, engine: FakeEngine) -> None:
    pace = batches_of(web.client).pace
    assert allowed(engine, pace) == 8
    assert allowed(engine, pace, live=5) == 3
    assert allowed(engine, pace, live=100) == 1, "it goes on, slowly"
    assert allowed(engine, pace, live=1, waiting=1) == 0
    pace._live = 4
    assert allowed(engine, pace, live=6) == 6, "its own lines are not others'"
    engine.on_hello = loading = welcome()
    loading.load = LOADING
    engine.send(loading)
    wait_until(lambda: not pace._engine.load.ready)
    assert pace._allowed() == 0
