"""Workers that take jobs from each other. Their clocks are the test's."""

from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from webapp.jobs import leases
from webapp.jobs.database import jobs_database
from webapp.jobs.job import CANCEL, Held, Job
from webapp.jobs.leases import BEAT_SECONDS, LOST_SECONDS, Leases


class Work:
    """Does nothing, and notes what it is told."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.epoch = job.epoch
        self.wishes: list[str] = []
        self.stopped = False

    def heard(self, held: Held) -> None:
        self.wishes.append(held.wish)

    def stop(self) -> None:
        self.stopped = True


class Worker:
    """A web worker that has room for `room` jobs."""

    def __init__(self, url: str, room: int = 9) -> None:
        self.database = jobs_database(url)
        self.leases = Leases(self.call)
        self.leases.serve("b", self)
        self.most = room
        self.works: list[Work] = []
        self.broken = False

    def call(self, name: str, *arguments: Any) -> Any:
        if self.broken:
            raise OSError("no database")
        return self.database.call(name, *arguments)

    def room(self) -> int:
        return self.most - len(self.works)

    def begin(self, job: Job) -> Work:
        self.works.append(Work(job))
        return self.works[-1]

    @property
    def ids(self) -> list[str]:
        return [work.job.id for work in self.works if not work.stopped]


class Clock:
    now = 100.0

    def passes(self, seconds: float, *workers: Worker) -> None:
        """Let time pass, half a second at a time, and `workers` do what is due."""
        for _ in range(int(2 * seconds)):
            self.now += 0.5
            for worker in workers:
                worker.leases.tick()


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(leases, "time", SimpleNamespace(monotonic=lambda: clock.now))
    return clock


@pytest.fixture
def workers(tmp_path: Path, clock: Clock) -> Iterator[list[Worker]]:
    both = [Worker(f"sqlite:///{tmp_path}/conversations.db") for _ in range(2)]
    yield both
    for worker in both:
        worker.database.close()


def queue(worker: Worker, *names: str) -> None:
    for name in names:
        worker.database.call("add", Job(id=name, scope="anyone", kind="b"), 1000)


def test_a_worker_that_lives_keeps_its_jobs(workers: list[Worker], clock: Clock) -> None:
    one, two = workers
    queue(one, "a", "b")
    one.leases.tick()
    clock.passes(5 * LOST_SECONDS, one, two)
    assert (one.ids, two.ids) == (["a", "b"], [])


def test_the_jobs_of_a_lost_worker_are_taken(workers: list[Worker], clock: Clock) -> None:
    one, two = workers
    queue(one, "a", "b")
    one.leases.tick()
    clock.passes(LOST_SECONDS, two)
    assert two.ids == [], "it has been watched for less than the limit"
    clock.passes(2, two)
    assert two.ids == ["a", "b"]
    clock.passes(1, one)
    assert one.ids == [], "it has learned that it was taken for lost"


def test_a_pause_shorter_than_the_limit_costs_no_job(workers: list[Worker], clock: Clock) -> None:
    one, two = workers
    queue(one, "a")
    one.leases.tick()
    for _ in range(4):
        clock.passes(LOST_SECONDS - BEAT_SECONDS - 1, two)
        clock.passes(BEAT_SECONDS, one, two)
    assert (one.ids, two.ids) == (["a"], [])


@pytest.mark.parametrize("seconds", [LOST_SECONDS, 1e9])
def test_a_clock_that_jumps_costs_no_job(workers: list[Worker], clock: Clock, seconds: float) -> None:
    """As it does where a host stops all of its workers for a while: none of them could show that it lives."""
    one, two = workers
    queue(one, "a")
    one.leases.tick()
    clock.passes(BEAT_SECONDS, one, two)
    clock.now += seconds
    clock.passes(LOST_SECONDS / 2, two)
    assert two.ids == [], "the jump counts for little"
    clock.passes(2, one, two)
    clock.now += seconds
    clock.passes(2 * LOST_SECONDS, one, two)
    assert (one.ids, two.ids) == (["a"], [])
    clock.now += seconds
    clock.passes(LOST_SECONDS + 1, two)
    assert two.ids == ["a"], "its worker is lost indeed"


def test_no_lease_depends_on_the_date(workers: list[Worker], clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    one, two = workers
    queue(one, "a")
    one.leases.tick()
    dates = iter([0.0, 4e9] * 1000)
    monkeypatch.setattr("time.time", lambda: next(dates))
    clock.passes(5 * LOST_SECONDS, one, two)
    assert (one.ids, two.ids) == (["a"], [])


def test_a_worker_takes_what_it_has_room_for(workers: list[Worker], clock: Clock) -> None:
    one, two = workers
    one.most, two.most = 1, 2
    queue(one, "a", "b", "c", "d")
    clock.passes(3, one, two)
    assert (one.ids, two.ids) == (["a"], ["b", "c"])


def test_what_is_given_back_goes_on_at_once(workers: list[Worker], clock: Clock) -> None:
    one, two = workers
    queue(one, "a")
    one.leases.tick()
    one.leases.end()
    one.leases.end()
    assert one.works[0].stopped
    clock.passes(1, two)
    assert two.ids == ["a"]
    assert two.works[0].job.losses == 0


def test_a_holder_of_an_earlier_epoch_is_stopped(workers: list[Worker], clock: Clock) -> None:
    one, _ = workers
    queue(one, "a")
    clock.passes(1, one)
    one.database.call("give_back", one.leases.owner)
    one.database.call("take_free", "b", one.leases.owner, 1)
    clock.passes(0.5, one)
    assert one.works[0].stopped, "the row is this worker's, but by another lease"


def test_a_wish_is_heard(workers: list[Worker], clock: Clock) -> None:
    one, two = workers
    queue(one, "a")
    clock.passes(1, one)
    two.database.call("express_wish", "anyone", "a", CANCEL, 0.0)
    clock.passes(0.5, one)
    assert one.works[0].wishes[-1] == CANCEL


def test_a_database_that_fails_is_one_line_in_the_log(
    workers: list[Worker], clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    one, two = workers
    queue(one, "a")
    clock.passes(1, one)
    one.broken = True
    clock.passes(10, one, two)
    assert (one.ids, two.ids) == (["a"], ["a"]), "it cannot know, and writes nothing any more"
    assert caplog.text.count("cannot be kept") == 1
    one.broken = False
    clock.passes(1, one, two)
    assert (one.ids, two.ids) == ([], ["a"])


def test_nothing_is_read_while_no_job_is_expected(workers: list[Worker]) -> None:
    one, _ = workers
    one.broken = True
    turns = iter([True, True, False])
    one.leases.look_soon()
    one.leases.run(expected=lambda: False, alive=lambda: next(turns), seen=lambda live: None)
    assert one.leases.ended


def test_a_holder_that_has_ended_meanwhile_is_not_stopped(workers: list[Worker], clock: Clock) -> None:
    one, _ = workers
    queue(one, "a")
    clock.passes(1, one)
    call = one.call

    def end_first(name: str, *arguments: Any) -> Any:
        one.leases.drop(one.works[0].job.n, 1)
        return [] if name == "held" else call(name, *arguments)

    one.leases._call = end_first
    clock.passes(0.5, one)
    assert not one.works[0].stopped
