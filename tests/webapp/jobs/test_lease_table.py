"""Who has a job: taking, losing and giving back, in SQLite and PostgreSQL."""

from concurrent.futures import ThreadPoolExecutor

import msgspec

from webapp.database.database import Database
from webapp.jobs import lease_table, store
from webapp.jobs.job import CANCEL, CANCELLED, DELETE, FAILED, IN_PROGRESS, Job
from webapp.jobs.log.writer import Write
from webapp.jobs.tables import jobs


def queue(database: Database, name: str, kind: str = "background") -> int:
    return store.add(database, Job(id=name, scope="anyone", kind=kind), 100_000)


def ids(found: list[Job]) -> list[str]:
    return [job.id for job in found]


def found(database: Database, name: str) -> Job:
    job = store.find(database, "anyone", name)
    assert job is not None
    return job


def test_jobs_are_taken_in_their_order_and_once(connections: list[Database]) -> None:
    one, two = connections
    for number in range(5):
        queue(one, f"resp_{number}")
    queue(one, "batch_0", kind="batch")

    assert ids(lease_table.take_free(one, "background", "w1", 2)) == ["resp_0", "resp_1"]
    assert ids(lease_table.take_free(two, "background", "w2", 9)) == ["resp_2", "resp_3", "resp_4"]
    assert lease_table.take_free(two, "background", "w2", 9) == []
    assert (found(two, "resp_0").owner, found(two, "resp_0").state, found(two, "resp_0").epoch) == (
        "w1",
        IN_PROGRESS,
        1,
    )


def test_a_job_is_live_until_it_has_ended_whoever_has_it(connections: list[Database]) -> None:
    one, two = connections
    assert not lease_table.any_live(two)
    n = queue(one, "resp_0")
    assert lease_table.any_live(two)
    (job,) = lease_table.take_free(one, "background", "w1", 1)
    assert lease_table.any_live(two)
    assert store.append(one, "w1", [Write(n=n, epoch=job.epoch, first=0, state=FAILED, ended=1.0)]) == [True]
    assert not lease_table.any_live(two)


def test_of_many_workers_that_want_a_job_one_gets_it(url: str, database: Database) -> None:
    for number in range(8):
        queue(database, f"resp_{number}")
    workers = [Database(url) for _ in range(4)]

    def take(number: int) -> list[str]:
        return ids(lease_table.take_free(workers[number], "background", f"w{number}", 8))

    with ThreadPoolExecutor(4) as pool:
        taken = [name for names in pool.map(take, range(4)) for name in names]
    for worker in workers:
        worker.close()
    assert sorted(taken) == [f"resp_{number}" for number in range(8)]


def test_a_lost_owner_is_followed_by_one(connections: list[Database]) -> None:
    one, two = connections
    n = queue(one, "resp_0")
    lease_table.take_free(one, "background", "w1", 1)
    (seen,) = lease_table.sightings(two, "w2")
    lease_table.beat(one, "w1")
    assert lease_table.take_lost(two, seen, "w2") is None, "its owner lives"

    (seen,) = lease_table.sightings(two, "w2")
    taken = lease_table.take_lost(two, seen, "w2")
    assert taken is not None
    assert (taken.owner, taken.epoch, taken.losses, taken.beat) == ("w2", 2, 1, 0)
    assert lease_table.take_lost(one, seen, "w3") is None, "another was quicker"
    assert lease_table.held(one, "w1") == []
    assert store.append(one, "w1", [Write(n=n, epoch=1, first=0, records=[b"late"])]) == [False]
    assert store.records(two, n, 0) == []


def test_a_job_that_goes_on_has_lost_nobody(connections: list[Database]) -> None:
    """A long one may lose as many workers as it likes, as long as each adds to it."""
    one, two = connections
    n = queue(one, "resp_0")
    lease_table.take_free(one, "background", "w1", 1)
    for number in range(3):
        taken = lease_table.take_lost(two, lease_table.sightings(two, "another")[0], f"w{number}")
        assert taken is not None
        assert taken.losses == 1
        write = Write(n=n, epoch=taken.epoch, first=number, records=[b"text"])
        assert store.append(one, taken.owner, [write]) == [True]
    assert found(one, "resp_0").losses == 0


def test_what_is_given_back_is_taken_before_what_is_queued(database: Database) -> None:
    for number in range(3):
        queue(database, f"resp_{number}")
    lease_table.take_free(database, "background", "w1", 2)
    assert lease_table.give_back(database, "w1") == 2
    assert ids(lease_table.take_free(database, "background", "w2", 3)) == ["resp_0", "resp_1", "resp_2"]
    assert [found(database, f"resp_{number}").losses for number in range(3)] == [0, 0, 0]


def test_a_wish_reaches_the_owner(connections: list[Database]) -> None:
    one, two = connections
    queue(one, "resp_0")
    lease_table.take_free(one, "background", "w1", 1)
    assert not lease_table.express_wish(two, "another", "resp_0", CANCEL, 5.0), "another key's"
    assert lease_table.express_wish(two, "anyone", "resp_0", DELETE, 5.0)
    lease_table.express_wish(two, "anyone", "resp_0", CANCEL, 5.0)
    (held,) = lease_table.held(one, "w1")
    assert held.wish == DELETE, "the stronger wish stays"


def test_a_queued_job_is_cancelled_without_an_owner(database: Database) -> None:
    queue(database, "resp_0")
    assert lease_table.express_wish(database, "anyone", "resp_0", CANCEL, 5.0)
    assert (found(database, "resp_0").state, found(database, "resp_0").ended) == (CANCELLED, 5.0)
    assert lease_table.take_free(database, "background", "w1", 1) == []
    assert not lease_table.express_wish(database, "anyone", "resp_0", CANCEL, 6.0), "it has ended"


def test_what_has_ended_is_nobodys(database: Database) -> None:
    n = queue(database, "resp_0")
    lease_table.take_free(database, "background", "w1", 1)
    end = Write(n=n, epoch=1, first=0, records=[b"end"], state=FAILED, ended=7.0)
    assert store.append(database, "w1", [end]) == [True]
    assert store.append(database, "w1", [end]) == [False]
    assert lease_table.held(database, "w1") == []
    assert lease_table.sightings(database, "w2") == []
    assert lease_table.give_back(database, "w1") == 0
    assert found(database, "resp_0").state == FAILED


def test_a_look_at_ten_thousand_queued_jobs_is_a_short_one(database: Database) -> None:
    with database.begin() as connection:
        rows = [
            msgspec.structs.asdict(Job(n=n, id=f"resp_{n}", scope="anyone", kind="background"))
            for n in range(1, 10_001)
        ]
        connection.execute(jobs.insert(), rows)
    assert ids(lease_table.take_free(database, "background", "w1", 4)) == [f"resp_{n}" for n in range(1, 5)]
    assert len(lease_table.sightings(database, "w2")) == 4
