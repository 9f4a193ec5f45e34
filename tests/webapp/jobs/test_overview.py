"""What operators see of jobs: how far they are, whoever has asked for them, and no more than a page."""

import pytest

from tests.webapp.jobs.test_store import begun, ended
from webapp.database.database import Database
from webapp.jobs import overview, store
from webapp.jobs.job import IN_PROGRESS, NOBODY, Seen
from webapp.jobs.log.record import Record, encode_record
from webapp.jobs.log.writer import Write


def queued(database: Database, name: str, kind: str = "b") -> int:
    return begun(database, name, kind=kind, owner=NOBODY)


def test_those_in_progress_come_first_with_the_tokens_of_their_last_record(database: Database) -> None:
    queued(database, "resp_1")
    n = begun(database, "resp_2", scope="another", state=IN_PROGRESS, created=5.0)
    records = [encode_record(Record(tokens=tokens)) for tokens in (3, 7)]
    assert store.append(database, "w1", [Write(n=n, epoch=0, first=0, records=records)]) == [True]
    begun(database, "resp_3", state=IN_PROGRESS)
    ended(database, "resp_4", 1.0)
    queued(database, "job_5", kind="batch")
    assert overview.overview(database, "b") == (
        [
            Seen("resp_2", "another", IN_PROGRESS, 5.0, 7),
            Seen("resp_3", "anyone", IN_PROGRESS, 0.0, 0),
            Seen("resp_1", "anyone", "queued", 0.0, 0),
        ],
        3,
    )


def test_a_record_of_an_earlier_release_has_no_count(database: Database) -> None:
    n = begun(database, state=IN_PROGRESS)
    store.append(database, "w1", [Write(n=n, epoch=0, first=0, records=[b"\x80"])])
    assert [seen.tokens for seen in overview.overview(database, "b")[0]] == [0]


def test_the_page_and_the_count_have_their_limits(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(6):
        queued(database, f"resp_{number}")
    begun(database, "resp_6", state=IN_PROGRESS)
    monkeypatch.setattr(overview, "MOST_LISTED", 3)
    monkeypatch.setattr(overview, "MOST_COUNTED", 5)
    seen, total = overview.overview(database, "b")
    assert [each.id for each in seen] == ["resp_6", "resp_0", "resp_1"]
    assert total == 5


def test_only_what_has_not_ended_can_be_ended(database: Database) -> None:
    queued(database, "resp_0")
    ended(database, "resp_1", 1.0)
    queued(database, "job_2", kind="batch")
    found = [overview.scope_of(database, "b", name) for name in ("resp_0", "resp_1", "job_2", "resp_3")]
    assert found == ["anyone", None, None, None]
