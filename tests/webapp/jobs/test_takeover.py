"""A worker is lost, or its database: another goes on, and no client notices. Each worker has an engine of its own."""

import json
from typing import Any

import gevent
import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from tests.webapp.jobs.test_background import ask, got, settled
from tests.webapp.jobs.test_streams import BODIES, CHAT, Slow, events, first_text, id_of, stream
from tests.webapp.workers import break_database, die, jobs_of, quicken, show_no_sign_of_life, take_part
from webapp.jobs import run
from webapp.jobs.log import reader
from webapp.jobs.log.live import NOT_STORED


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "GROUP_SECONDS", 0.001)
    monkeypatch.setattr(run, "STORE_PAUSE", 0.01)
    monkeypatch.setattr(reader, "POLL_SECONDS", 0.01)
    quicken(monkeypatch)


@pytest.fixture
def workers(engines: list[FakeEngine], make_app: MakeApp) -> list[FlaskClient]:
    return [make_app(endpoint=engine.endpoint).test_client() for engine in engines]


def numbered(*texts: str) -> list[int]:
    numbers = [number for text in texts for number, _ in events(text)]
    assert numbers == list(range(len(numbers)))
    return numbers


def text_of(stream: str) -> str:
    chunks = [json.loads(rest.removeprefix("data: ")) for _, rest in events(stream) if "[DONE]" not in rest]
    return "".join(chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks if chunk["choices"])


def test_a_lost_workers_job_goes_on_after_its_last_token(
    workers: list[FlaskClient], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = workers
    _, slow = Slow(engines[0]), Slow(engines[1])
    take_part(two)
    response = stream(one)
    seen, _ = first_text(response)
    die(one, monkeypatch)
    wait_until(lambda: slow.asked)
    assert (slow.asked[0].sent, slow.asked[0].name) == ({0: [1]}, id_of(seen))
    slow.say("two", "stop")
    rest = two.get(f"/v1/streams/{id_of(seen)}?after={events(seen)[-1][0]}").text
    numbered(seen, rest)
    assert text_of(seen + rest) == "one two"
    assert events(two.get(f"/v1/streams/{id_of(seen)}").text) == events(seen + rest)
    response.close()


def test_the_reader_of_a_worker_that_was_thought_lost_reads_on(
    workers: list[FlaskClient], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two = workers
    first, slow = Slow(engines[0]), Slow(engines[1])
    response = stream(one)
    seen, pieces = first_text(response)
    with monkeypatch.context() as silent:
        show_no_sign_of_life(one, silent)
        take_part(two)
        wait_until(lambda: slow.asked)
    first.say("not this", "stop")
    wait_until(lambda: not jobs_of(one)._runs)
    slow.say("two", "stop")
    whole = seen + b"".join(pieces).decode()
    numbered(whole)
    assert text_of(whole) == "one two"


def test_a_job_that_is_given_back_goes_on(workers: list[FlaskClient], engines: list[FakeEngine]) -> None:
    one, two = workers
    _, slow = Slow(engines[0]), Slow(engines[1])
    take_part(two)
    response = stream(one)
    seen, pieces = first_text(response)
    name = ask(one).get_json()["id"]
    wait_until(lambda: got(one, name)["output"])
    jobs_of(one).leases.end()
    wait_until(lambda: len(slow.asked) == 2)
    wait_until(lambda: engines[0].messages(wire.Abort))
    for generate in slow.asked:
        engines[1].send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "two", [2], "stop")]))
    whole = seen + b"".join(pieces).decode()
    assert text_of(whole) == "one two"
    assert settled(one, name)["output"][0]["content"][0]["text"] == "one two"


def test_another_worker_cancels_and_deletes(workers: list[FlaskClient], engines: list[FakeEngine]) -> None:
    one, two = workers
    Slow(engines[0])
    take_part(two)
    for method, path in (("POST", "/cancel"), ("DELETE", "")):
        name = ask(one).get_json()["id"]
        wait_until(lambda: got(one, name)["output"])  # noqa: B023
        before = len(engines[0].messages(wire.Abort))
        assert two.open(f"/v1/responses/{name}{path}", method=method).status_code == 200
        wait_until(lambda: len(engines[0].messages(wire.Abort)) > before)  # noqa: B023
        assert one.get(f"/v1/responses/{name}").status_code == (200 if path else 404)


def test_a_reader_in_another_worker_counts(
    engines: list[FakeEngine], make_app: MakeApp, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reader, "NOTE_SECONDS", 0.1)
    one, two = (make_app(endpoint=engine.endpoint, resume_seconds=0.5).test_client() for engine in engines)
    slow = Slow(engines[0])
    response = stream(one)
    seen, _ = first_text(response)
    elsewhere = gevent.spawn(lambda: two.get(f"/v1/streams/{id_of(seen)}").text)
    response.close()
    gevent.sleep(1.5)
    assert engines[0].messages(wire.Abort) == []
    slow.say("two", "stop")
    assert text_of(elsewhere.get(timeout=10)) == "one two"


def test_a_database_that_is_lost_in_the_middle_loses_no_answer(
    workers: list[FlaskClient], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = workers
    slow = Slow(engines[0])
    response = stream(one)
    seen, pieces = first_text(response)
    break_database(one, monkeypatch)
    slow.say("two ")
    gevent.sleep(0.2)
    slow.say("three", "stop")
    whole = seen + b"".join(pieces).decode()
    numbered(whole)
    assert text_of(whole) == "one two three"
    assert NOT_STORED in whole
    assert whole.endswith("data: [DONE]\n\n")


def test_a_database_that_is_not_there_makes_an_ordinary_stream(
    workers: list[FlaskClient], monkeypatch: pytest.MonkeyPatch
) -> None:
    break_database(workers[0], monkeypatch)
    whole = stream(workers[0]).text
    assert not events(whole)
    assert "one" in whole
    assert "two" in whole
    assert "cannot be resumed" in whole


def test_after_the_database_has_come_back_a_job_goes_on(
    workers: list[FlaskClient], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = workers
    slow = Slow(engines[0])
    name = ask(one).get_json()["id"]
    wait_until(lambda: got(one, name)["output"])
    with monkeypatch.context() as broken:
        break_database(one, broken)
        slow.say("lost ")
        wait_until(lambda: not jobs_of(one)._runs)
        wait_until(lambda: engines[0].messages(wire.Abort))  # nobody reads what cannot be stored
    wait_until(lambda: len(slow.asked) == 2)
    assert slow.asked[1].sent == {0: [1]}
    slow.say("two", "stop")
    assert settled(one, name)["output"][0]["content"][0]["text"] == "one two"


def test_a_write_that_was_stored_though_it_failed_is_not_stored_twice(
    workers: list[FlaskClient], engines: list[FakeEngine], monkeypatch: pytest.MonkeyPatch
) -> None:
    one, _ = workers
    slow = Slow(engines[0])
    name = ask(one).get_json()["id"]
    wait_until(lambda: got(one, name)["output"])
    call = jobs_of(one).writer._call
    failures = iter([TimeoutError("it took too long")])

    def too_late(function: str, *arguments: Any) -> Any:
        result = call(function, *arguments)
        if function == "append" and (error := next(failures, None)) is not None:
            raise error
        return result

    monkeypatch.setattr(jobs_of(one).writer, "_call", too_late)
    slow.say("two ")
    wait_until(lambda: len(slow.asked) == 2)
    assert slow.asked[1].sent == {0: [1, 4]}
    slow.say("three", "stop")
    assert settled(one, name)["output"][0]["content"][0]["text"] == "one two three"


def test_a_job_that_ends_many_workers_fails(workers: list[FlaskClient], engines: list[FakeEngine]) -> None:
    one, _ = workers
    engines[0].on_generate = hold
    name = ask(one).get_json()["id"]
    wait_until(lambda: engines[0].messages(wire.Generate))
    job = jobs_of(one).find("anyone", name)
    assert job is not None
    jobs_of(one).leases.end()
    with jobs_of(one)._writing._database.begin() as connection:  # type: ignore[union-attr]
        connection.execute(text("UPDATE hearth_jobs SET losses = 6"))
    take_part(workers[1])
    failed = settled(workers[1], name)
    assert (failed["status"], failed["error"]["type"]) == ("failed", "workers_lost")
    assert engines[1].messages(wire.Generate) == []


def test_a_model_that_was_replaced_does_not_go_on(workers: list[FlaskClient], engines: list[FakeEngine]) -> None:
    one, two = workers
    Slow(engines[0])
    other = engines[1].on_hello
    assert isinstance(other, wire.Welcome)
    other.fingerprint = "another"
    take_part(two)
    response = one.post(CHAT, json={**BODIES[CHAT], "stream": True, "resumable": True})
    seen, pieces = first_text(response)
    jobs_of(one).leases.end()
    assert "model_changed" in (seen + b"".join(pieces).decode())
