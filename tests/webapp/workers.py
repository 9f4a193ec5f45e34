"""Web workers that share a database, and what may become of one of them."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from webapp.batches.batches import Batches
from webapp.jobs import leases
from webapp.jobs.jobs import Jobs

QUICK = {
    "TICK_SECONDS": 0.05,
    "LOOK_SECONDS": 0.1,
    "BEAT_SECONDS": 0.2,
    "LOST_SECONDS": 1.0,
    "MOST_WATCHED_SECONDS": 0.3,
}


def quicken(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let workers look at their leases more often than the product does."""
    for name, seconds in QUICK.items():
        monkeypatch.setattr(leases, name, seconds)


def jobs_of(client: FlaskClient) -> Jobs:
    found: Jobs = client.application.extensions["hearth.jobs"]
    return found


def batches_of(client: FlaskClient) -> Batches:
    found: Batches = client.application.extensions["hearth.batches"]
    return found


def take_part(client: FlaskClient) -> None:
    """Begin to look for jobs, as a worker does when it starts."""
    jobs_of(client).shared.engine.state()
    jobs_of(client).start()


def show_no_sign_of_life(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker be so slow that others take it for lost."""
    monkeypatch.setattr(jobs_of(client).leases, "tick", lambda *_: None)


def break_database(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker's database fail, as it does when its disk is full."""

    def broken(name: str, *arguments: Any) -> Any:
        raise OSError("no database")

    jobs = jobs_of(client)
    for holder, name in (
        (jobs._writing, "call"),
        (jobs.leases, "_call"),
        (jobs.writer, "_call"),
        (batches_of(client), "call"),
    ):
        monkeypatch.setattr(holder, name, broken)


def die(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a worker do nothing any more, as if it were killed."""
    break_database(client, monkeypatch)
    jobs_of(client).leases.ended = True
