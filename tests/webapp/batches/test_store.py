"""The SQL of batches and files, on both databases: two workers, of which one has the lease."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.webapp.jobs.conftest import postgres, url  # noqa: F401  (a server for both)
from webapp.batches import store, tables
from webapp.batches.batch import Batch, Counts, NoInput
from webapp.database.database import Database
from webapp.files import store as file_store
from webapp.files import tables as file_tables
from webapp.files.file import BATCH, File, Listing, TooMuch
from webapp.jobs import lease_table
from webapp.jobs import tables as jobs
from webapp.jobs.job import Job, TooMany

NEWEST = Listing(10, True, None)
ANN, BOB = "ann", "bob"


@pytest.fixture
def workers(url: str) -> Iterator[list[Database]]:  # noqa: F811
    both = [Database(url, jobs.metadata, file_tables.metadata, tables.metadata) for _ in range(2)]
    with both[0].begin() as connection:
        for table in (file_tables.files, file_tables.parts, tables.batches):
            connection.execute(table.delete())
    yield both
    for each in both:
        each.close()


@pytest.fixture
def one(workers: list[Database]) -> Database:
    return workers[0]


def upload(database: Database, name: str, content: bytes = b"x", most: int = 1000) -> int:
    file = File(id=name, scope=ANN, filename="", purpose="", bytes=len(content), created=1.0, expires=1.0)
    n = file_store.begin_upload(database, file, most)
    assert file_store.add_parts(database, n, 0, [content])
    assert file_store.end_upload(database, n, BATCH, len(content), "in.jsonl", 100.0)
    return n


def made(database: Database, name: str = "batch_1", file: str = "file-in", most: int = 10) -> Batch:
    batch = Batch(
        id=name,
        scope=ANN,
        key="",
        endpoint="/v1/completions",
        input_file_id=file,
        completion_window="24h",
        metadata="{}",
        output_file_id=f"file-out-{name}",
        error_file_id=f"file-errors-{name}",
        output_seconds=50.0,
        created=10.0,
        expires=20.0,
    )
    store.make(database, batch, Job(id=f"job-{name}", scope=ANN, kind="batch"), most)
    return batch


def taken(database: Database, owner: str) -> Job:
    (job,) = lease_table.take_free(database, "batch", owner, 1)
    return job


def add(database: Database, batch: Batch, owner: str, epoch: int, *numbers: int, failed: bool = False) -> bool:
    results = [(number, failed, b"%d\n" % number) for number in numbers]
    counts = Counts(failed=len(numbers)) if failed else Counts(completed=len(numbers), input_tokens=5)
    return store.add_results(database, batch, owner, epoch, results, counts)


def found(database: Database, name: str = "batch_1") -> Batch:
    batch = store.find(database, ANN, name)
    assert batch is not None
    return batch


def test_a_batch_from_its_file_to_its_results(one: Database) -> None:
    upload(one, "file-in")
    batch = made(one)
    job = taken(one, "w1")
    assert store.find_by_number(one, job.n) == batch
    batch.total, batch.model = 3, "fake"
    assert store.begin(one, batch, "w1", job.epoch, 11.0)
    assert add(one, batch, "w1", job.epoch, 3, 1)
    assert add(one, batch, "w1", job.epoch, 2, failed=True)
    assert store.done(one, batch) == {1, 2, 3}
    assert file_store.page(one, ANN, "batch_output", NEWEST) == [], "they are not complete"
    assert store.end(one, batch, "w1", job.epoch, "completed", "[]", 12.0)
    ended = found(one)
    assert (ended.status, ended.has_output, ended.has_errors) == ("completed", True, True)
    assert (ended.total, ended.completed, ended.failed, ended.input_tokens) == (3, 2, 1, 5)
    output = file_store.find(one, ANN, batch.output_file_id)
    assert output is not None
    assert (output.bytes, output.created, output.expires) == (4, 12.0, 62.0)
    assert file_store.read_parts(one, output.n, -1) == [(1, b"1\n"), (3, b"3\n")]
    assert file_store.read_parts(one, output.n, 1) == [(3, b"3\n")]


def test_a_worker_without_the_lease_stores_nothing(workers: list[Database]) -> None:
    one, two = workers
    upload(one, "file-in")
    batch = made(one)
    lost = taken(one, "w1")
    assert store.begin(one, batch, "w1", lost.epoch, 11.0)
    assert add(one, batch, "w1", lost.epoch, 1)
    lease_table.give_back(two, "w1")
    job = taken(two, "w2")
    assert not add(one, batch, "w1", lost.epoch, 2)
    assert not store.end(one, batch, "w1", lost.epoch, "completed", "[]", 12.0)
    assert not store.begin(one, batch, "w1", lost.epoch, 12.0)
    assert store.done(two, batch) == {1}
    assert add(two, batch, "w2", job.epoch, 2)
    assert store.end(two, batch, "w2", job.epoch, "completed", "[]", 12.0)
    assert not add(two, batch, "w2", job.epoch, 3), "it has ended"
    assert (found(one).completed, found(one).status) == (2, "completed")


def test_no_line_has_two_results(one: Database) -> None:
    upload(one, "file-in")
    batch = made(one)
    job = taken(one, "w1")
    assert add(one, batch, "w1", job.epoch, 1)
    with pytest.raises(Exception, match=r"UNIQUE|unique"):
        add(one, batch, "w1", job.epoch, 1, 2)
    assert (found(one).completed, store.done(one, batch)) == (1, {1}), "nothing of it was stored"


def test_a_cancelled_batch_ends_cancelled(one: Database) -> None:
    upload(one, "file-in")
    batch = made(one)
    job = taken(one, "w1")
    store.begin(one, batch, "w1", job.epoch, 11.0)
    assert store.cancel(one, ANN, "batch_1", 12.0)
    assert found(one).status == "cancelling"
    assert lease_table.held(one, "w1")[0].wish == "cancel"
    assert store.end(one, batch, "w1", job.epoch, "completed", "[]", 13.0)
    assert (found(one).status, found(one).cancelled_at, found(one).completed_at) == ("cancelled", 13.0, 0.0)
    assert store.cancel(one, ANN, "batch_1", 14.0)
    assert not store.cancel(one, BOB, "batch_1", 14.0)


@pytest.mark.parametrize("begun", [False, True])
def test_what_no_worker_has_is_cancelled_at_once(one: Database, begun: bool) -> None:
    upload(one, "file-in")
    made(one)
    if begun:
        taken(one, "w1")
        lease_table.give_back(one, "w1")
    store.cancel(one, ANN, "batch_1", 12.0)
    assert found(one).status == "cancelled"
    assert lease_table.take_free(one, "batch", "w1", 1) == []


def test_a_deleted_file_is_kept_while_it_is_read(one: Database) -> None:
    n = upload(one, "file-in")
    batch = made(one)
    assert file_store.hide(one, ANN, "file-in") == n
    assert file_store.find(one, ANN, "file-in") is None
    assert (file_store.gone(one, 9), file_store.clear(one, n)) == ([], False)
    assert file_store.read_parts(one, n, -1) == [(0, b"x")]
    job = taken(one, "w1")
    store.end(one, batch, "w1", job.epoch, "completed", "[]", 12.0)
    assert n in file_store.gone(one, 9)
    while file_store.clear(one, n):
        pass
    assert file_store.read_parts(one, n, -1) == []


def test_what_cannot_be_made_leaves_nothing(one: Database) -> None:
    with pytest.raises(NoInput):
        made(one, file="file-none")
    upload(one, "file-in")
    with pytest.raises(TooMany):
        made(one, most=0)
    assert store.page(one, ANN, NEWEST) == []
    assert lease_table.take_free(one, "batch", "w1", 1) == []
    with pytest.raises(TooMuch, match="at most 3"):
        upload(one, "file-2", b"xyz", most=3)


def test_lists_are_pages(one: Database) -> None:
    upload(one, "file-in")
    for number in range(3):
        made(one, f"batch_{number}")

    def listed(listing: Listing) -> Any:
        page = store.page(one, ANN, listing)
        return page and [batch.id for batch in page]

    assert listed(Listing(1, True, None)) == ["batch_2", "batch_1"], "one more says that there is more"
    assert listed(Listing(9, True, "batch_2")) == ["batch_1", "batch_0"]
    assert listed(Listing(9, False, "batch_0")) == ["batch_1", "batch_2"]
    assert listed(Listing(9, False, "batch_9")) is None
    assert store.page(one, BOB, NEWEST) == []


def test_old_batches_are_swept_when_they_have_ended(one: Database) -> None:
    upload(one, "file-in")
    made(one)
    assert store.sweep_batches(one, 99.0) == 0
    store.cancel(one, ANN, "batch_1", 12.0)
    assert store.sweep_batches(one, 10.0) == 0, "it is not older"
    assert store.sweep_batches(one, 99.0) == 1
    assert store.find(one, ANN, "batch_1") is None
