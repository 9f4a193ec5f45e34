"""Jobs and their logs: what is stored together, what a limit refuses, what a sweep deletes."""

import dataclasses
from typing import Any

import pytest

from webapp.conversations.store import Store
from webapp.conversations.turns import StoredTurn
from webapp.database.database import Database
from webapp.jobs import lease_table, store
from webapp.jobs.job import COMPLETED, Job, TooMany
from webapp.jobs.log.writer import Write
from webapp.jobs.store import READ_AT_ONCE

LARGE = 10**9


def begun(database: Database, name: str = "resp_0", **fields: Any) -> int:
    """Insert a job that worker `w1` has."""
    return store.add(database, Job(**{"id": name, "scope": "anyone", "kind": "b", "owner": "w1", **fields}), 100)


def ended(database: Database, name: str, when: float, size: int = 0) -> int:
    n = begun(database, name)
    store.append(database, "w1", [Write(n=n, epoch=0, first=0, records=[bytes(size)], state=COMPLETED, ended=when)])
    return n


def test_a_log_is_read_as_it_was_written(database: Database) -> None:
    n, other = begun(database, request=b"ask"), begun(database, "resp_1")
    assert store.append(
        database,
        "w1",
        [
            Write(n=n, epoch=0, first=0, records=[b"one", b"two"]),
            Write(n=other, epoch=9, first=0, records=[b"not mine"]),
            Write(n=n, epoch=0, first=2, records=[b"three"]),
        ],
    ) == [True, False, True]
    assert store.records(database, n, 0) == [b"one", b"two", b"three"]
    assert store.records(database, n, 2) == [b"three"]
    assert store.records(database, other, 0) == []
    job = store.find(database, "anyone", "resp_0")
    assert job is not None
    assert (job.n, job.records, job.size, job.request) == (n, 3, 11, b"ask")


def test_a_log_is_read_in_parts(database: Database) -> None:
    n = begun(database)
    records = [b"%d" % number for number in range(READ_AT_ONCE + 1)]
    store.append(database, "w1", [Write(n=n, epoch=0, first=0, records=records)])
    assert store.records(database, n, 0) == records[:READ_AT_ONCE]
    assert store.records(database, n, READ_AT_ONCE) == records[READ_AT_ONCE:]


def test_another_key_finds_nothing(database: Database) -> None:
    begun(database)
    assert store.find(database, "another", "resp_0") is None
    assert not store.remove_ended(database, "another", "resp_0")


def test_turns_are_stored_with_the_end_or_not_at_all(database: Database, url: str) -> None:
    n = begun(database)
    turns = [("anyone", "42", [StoredTurn([{"role": "user", "content": "a"}])])]
    end = Write(n=n, epoch=0, first=0, records=[b"end"], state=COMPLETED, ended=1.0, turns=turns)
    assert store.append(database, "w1", [end]) == [True]
    assert store.append(database, "w1", [end]) == [False], "it has ended"
    conversations = Store(url)
    found = conversations.read("anyone", "42", LARGE)
    conversations.close()
    assert [dataclasses.replace(turn, number=0) for turn in found] == turns[0][2]


def test_a_key_has_a_limit_and_what_has_ended_does_not_count(database: Database) -> None:
    ended(database, "resp_0", 1.0)
    store.add(database, Job(id="resp_1", scope="anyone", kind="b"), 1)
    with pytest.raises(TooMany):
        store.add(database, Job(id="resp_2", scope="anyone", kind="b"), 1)
    store.add(database, Job(id="resp_3", scope="another", kind="b"), 1)


def test_only_what_has_ended_is_removed(database: Database) -> None:
    running, done = begun(database), ended(database, "resp_1", 1.0)
    assert not store.remove_ended(database, "anyone", "resp_0")
    assert store.remove_ended(database, "anyone", "resp_1")
    assert not store.remove_ended(database, "anyone", "resp_1")
    assert store.records(database, done, 0) == []
    store.remove(database, running)
    assert store.state_of(database, running) is None
    assert store.append(database, "w1", [Write(n=running, epoch=0, first=0, records=[b"late"])]) == [False]


def test_readers_are_noted(database: Database) -> None:
    n = begun(database)
    store.note_reader(database, n)
    store.note_reader(database, n)
    (held,) = lease_table.held(database, "w1")
    assert held.reads == 2


def test_a_sweep_takes_what_is_old_and_the_oldest_of_too_much(database: Database) -> None:
    begun(database, "running", created=0.0)
    for number in range(6):
        ended(database, f"resp_{number}", when=10.0 * number, size=1000)
    assert store.sweep(database, older_than=15.0, max_bytes=LARGE) == 2
    assert store.sweep(database, older_than=15.0, max_bytes=LARGE) == 0
    assert store.sweep(database, older_than=0.0, max_bytes=2500) == 2
    left = [name for name in ("running", *(f"resp_{n}" for n in range(6))) if store.find(database, "anyone", name)]
    assert left == ["running", "resp_4", "resp_5"]
