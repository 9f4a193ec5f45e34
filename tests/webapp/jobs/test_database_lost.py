"""A real disk that is full, and a real server that is gone, in the middle of a job."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from flask.testing import FlaskClient
from sqlalchemy import event

from tests.fake_engine import FakeEngine
from tests.postgres import Postgres
from tests.webapp.conftest import MakeApp, wait_until
from tests.webapp.jobs.test_background import ask, got, settled
from tests.webapp.jobs.test_streams import Slow, events, first_text, stream
from tests.webapp.jobs.test_takeover import numbered, text_of
from tests.webapp.workers import jobs_of, quicken
from webapp.jobs import run
from webapp.jobs.log.live import NOT_STORED

MUCH = "two " * 5000
"""A text for which a database that may not grow has no room."""


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "GROUP_SECONDS", 0.001)
    monkeypatch.setattr(run, "STORE_PAUSE", 0.01)
    quicken(monkeypatch)


@pytest.fixture
def client(engine: FakeEngine, make_app: MakeApp, url: str) -> FlaskClient:
    return make_app(database_url=url).test_client()


@contextmanager
def full_disk(client: FlaskClient) -> Iterator[None]:
    """SQLite may not make its file larger than it is."""
    pages = [1]  # which SQLite takes for as many as there are

    def limit(connection: Any, *_: Any) -> None:
        connection.execute(f"PRAGMA max_page_count={pages[0]}")

    event.listen(jobs_of(client)._writing._database._engine, "checkout", limit)  # type: ignore[union-attr]
    yield
    pages[0] = 2**30


@contextmanager
def lost_server(postgres: Postgres) -> Iterator[None]:
    postgres.stop()
    try:
        yield
    finally:
        postgres.start()


@pytest.fixture
def lost(url: str, client: FlaskClient, request: pytest.FixtureRequest) -> Any:
    """A context manager: within it the database fails."""
    if url.startswith("sqlite"):
        return lambda: full_disk(client)
    return lambda: lost_server(request.getfixturevalue("postgres"))


def test_a_client_with_a_connection_gets_its_answer(client: FlaskClient, engine: FakeEngine, lost: Any) -> None:
    slow = Slow(engine)
    seen, pieces = first_text(stream(client))
    with lost():
        slow.say(MUCH)
        wait_until(lambda: any(run.live.unstored for run in jobs_of(client)._runs.values()))
        slow.say("three", "stop")
        whole = seen + b"".join(pieces).decode()
    numbered(whole)
    assert text_of(whole) == f"one {MUCH}three"
    assert NOT_STORED in whole


def test_what_nobody_reads_goes_on_when_the_database_is_back(
    client: FlaskClient, engine: FakeEngine, lost: Any
) -> None:
    slow = Slow(engine)
    name = ask(client).get_json()["id"]
    wait_until(lambda: got(client, name)["output"])
    with lost():
        slow.say(MUCH)
        wait_until(lambda: not jobs_of(client)._runs)
    wait_until(lambda: len(slow.asked) == 2)
    assert slow.asked[1].sent == {0: [1]}, "it goes on after what is stored"
    slow.say("two", "stop")
    assert settled(client, name)["output"][0]["content"][0]["text"] == "one two"
    numbers = [number for number, _ in events(client.get(f"/v1/responses/{name}?stream=true").text)]
    assert numbers == list(range(len(numbers)))
