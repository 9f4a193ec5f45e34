"""A database that an earlier release has made: its tables get the columns that it did not have."""

from collections.abc import Iterator

import pytest
from sqlalchemy import inspect, select

from tests.webapp.jobs.conftest import postgres, url  # noqa: F401  (a server for both)
from webapp.batches import tables
from webapp.batches.batch import Batch
from webapp.database.database import Database
from webapp.database.rows import row_as

LATER = ("model", "adapters")


@pytest.fixture
def old(url: str) -> Iterator[Database]:  # noqa: F811
    """A database in which the table of batches is as the first release with batches made it."""
    database = Database(url, tables.metadata)
    with database.begin() as connection:
        connection.execute(tables.batches.delete())
        for name in LATER:
            connection.exec_driver_sql(f"ALTER TABLE {tables.batches.name} DROP COLUMN {name}")
    yield database
    database.close()


def test_columns_that_came_later_are_added(old: Database, url: str) -> None:  # noqa: F811
    columns = {column.name: column.type.python_type() for column in tables.batches.columns if column.name not in LATER}
    earlier = tables.batches.insert().values(columns | {"n": 1, "id": "batch_1"})
    with old.begin() as connection:
        connection.execute(earlier)
    for _ in range(2):  # the second finds nothing to do
        new = Database(url, tables.metadata)
        with new.begin() as connection:
            assert set(LATER) < {column["name"] for column in inspect(connection).get_columns(tables.batches.name)}
            (row,) = connection.execute(select(tables.batches)).all()
        new.close()
        batch = row_as(Batch, row)
        assert (batch.id, batch.model, batch.adapters) == ("batch_1", "", "[]")
    with old.begin() as connection:  # a worker of the earlier release, during the upgrade
        connection.execute(tables.batches.insert().values(columns | {"n": 2, "id": "batch_2"}))
