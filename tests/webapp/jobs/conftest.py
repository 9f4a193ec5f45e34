"""Both databases that jobs may be in."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import create_engine, text

from tests.postgres import Postgres, running_postgres
from webapp.conversations import store as conversations
from webapp.database.database import Database
from webapp.jobs import tables


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of an empty database."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/conversations.db"
        return
    found: str = request.getfixturevalue("postgres").url
    yield found
    engine = create_engine(found)
    with engine.begin() as connection:
        connection.execute(text("DROP TABLE IF EXISTS hearth_jobs, hearth_job_log, hearth_turns"))
    engine.dispose()


@pytest.fixture
def connections(url: str) -> Iterator[list[Database]]:
    """Two connections to the database, as two workers have them."""
    both = [Database(url, tables.metadata, conversations.metadata) for _ in range(2)]
    yield both
    for each in both:
        each.close()


@pytest.fixture
def database(connections: list[Database]) -> Database:
    return connections[0]
