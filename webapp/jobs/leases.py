"""Which worker has which job, without a clock that two of them share.

A worker that has jobs raises their `beat` every `BEAT_SECONDS`. Another takes a job that it has seen unchanged for
`LOST_SECONDS` by its own monotonic clock. A worker that was only slow finds at its next write or look that its epoch is
no longer the job's, and stops. A worker that ends gives its jobs back.

What a job does is not known here: each kind of job brings a function that begins it (`Leases.serve`).
"""

import logging
import os
import secrets
import socket
import time
from collections.abc import Callable
from typing import Any, Protocol

from gevent.event import Event

from webapp.database.thread import in_one_line, is_of_database
from webapp.jobs.job import Held, Job, Sighting

log = logging.getLogger("hearth.jobs")

TICK_SECONDS = 0.5
"""How often a worker looks at what clients wish of the jobs that it has."""
LOOK_SECONDS = 1.0
"""How often it looks for jobs to take."""
BEAT_SECONDS = 2.0
LOST_SECONDS = 6.0
"""A job whose owner has not raised its beat for so long is taken from it: three beats."""
MOST_WATCHED_SECONDS = LOST_SECONDS / 3
"""The most that counts between two looks: a worker that stood still for longer has seen nothing meanwhile, and the
others may have stood still, too, as all do whose host is stopped for a while.
"""


class Holder(Protocol):
    """What works on one job in this worker."""

    @property
    def epoch(self) -> int:
        """The job's epoch when this worker took it."""

    def heard(self, held: Held) -> None:
        """Called every `TICK_SECONDS` with what the database says of the job."""

    def stop(self) -> None:
        """Stop: the job is another worker's, or will be. Nothing of it may be written any more."""


class Kind(Protocol):
    """One kind of job, as this worker runs it."""

    def room(self) -> int:
        """Return how many more jobs of the kind this worker can take."""

    def begin(self, job: Job) -> Holder:
        """Begin or go on with a job that this worker has just taken. Must return at once."""


class Leases:
    """The leases of one web worker."""

    def __init__(self, call: Callable[..., Any]) -> None:
        """`call` runs a function of `lease_table`, by its name, in the thread that has the database."""
        self.owner = f"{socket.gethostname()[:64]}:{os.getpid()}:{secrets.token_hex(8)}"
        self._call = call
        self._kinds: dict[str, Kind] = {}
        self._held: dict[int, Holder] = {}
        self._seen: dict[Sighting, float] = {}
        """Jobs of other workers, with the seconds for which each has been watched and has stayed as it is."""
        self._orphans: dict[int, int] = {}
        """Jobs of this worker that nothing here works on, with their epochs."""
        self._look_now = Event()
        self._looked_at = self._watched_at = self._beat_at = float("-inf")
        self._failing = False
        """Whether the database has failed since it last answered: one line in the log is enough."""
        self.ended = False

    def serve(self, name: str, kind: Kind) -> None:
        """Have this worker take jobs whose `Job.kind` is `name`."""
        self._kinds[name] = kind

    def hold(self, n: int, holder: Holder) -> None:
        """Note that `holder` works on job `n`, which this worker has taken, or has inserted as its own."""
        self._held[n] = holder

    def drop(self, n: int, epoch: int) -> None:
        """Forget a job as it was taken with `epoch`: it has ended, or is another worker's, or is to be."""
        if n in self._held and self._held[n].epoch == epoch:
            del self._held[n]
            self._orphans[n] = epoch

    def look_soon(self) -> None:
        """Look for jobs to take at once: one has been queued, or there is room again."""
        self._looked_at = float("-inf")
        self._look_now.set()

    def run(self, expected: Callable[[], bool], alive: Callable[[], bool], seen: Callable[[bool], None]) -> None:
        """Keep the leases until the worker ends. The database is asked only while jobs are `expected()`, for most
        workers never have one; `seen` is told each time whether any job is live.
        """
        while alive() and not self.ended:
            if self._held or self._orphans or expected():
                self.tick(seen)
            self._look_now.wait(TICK_SECONDS)
            self._look_now.clear()
        self.end()

    def tick(self, seen: Callable[[bool], None] = lambda live: None) -> None:
        """Do what is due. The database's failures are logged, and tried again at the next tick."""
        try:
            now = time.monotonic()
            if self._held and now - self._beat_at >= BEAT_SECONDS:
                self._call("beat", self.owner)
                self._beat_at = now
            self._listen()
            if now - self._looked_at >= LOOK_SECONDS:
                self._looked_at = now
                self._take_free()
                self._take_lost()
                seen(bool(self._held) or self._call("any_live"))
            self._failing = False
        except Exception as error:
            if not is_of_database(error):
                log.exception("the leases of jobs could not be kept")
            elif not self._failing:
                log.error("the leases of jobs cannot be kept: %s", in_one_line(error))
            self._failing = True

    def end(self) -> None:
        """Stop all jobs of this worker, and give them back. May be called twice."""
        if self.ended:
            return
        self.ended = True
        holders = list(self._held.values())
        self._held.clear()
        for holder in holders:
            holder.stop()
        if holders:
            try:
                log.info("gave back %d jobs", self._call("give_back", self.owner))
            except Exception as error:  # others take them when they see no beat
                log.error("jobs could not be given back: %s", in_one_line(error))

    def _listen(self) -> None:
        """Tell each holder what the database says, and stop those whose job another worker has."""
        before = dict(self._held)
        if not before and not self._orphans:
            return
        held: dict[int, Held] = {each.n: each for each in self._call("held", self.owner)}
        self._give_back_orphans(held)
        for n, holder in before.items():
            if self._held.get(n) is not holder:
                continue  # it has ended meanwhile
            if n in held and held[n].epoch == holder.epoch:
                holder.heard(held[n])
            else:
                self.drop(n, holder.epoch)
                holder.stop()

    def _give_back_orphans(self, held: dict[int, Held]) -> None:
        """Give back what nothing here works on, as is so after the database has failed. Others would see its beat."""
        before, self._orphans = self._orphans, {n: each.epoch for n, each in held.items() if n not in self._held}
        for n, epoch in self._orphans.items():
            if before.get(n) == epoch:  # one that has just been taken, or is just ending, is none at the next look
                self._call("give_back_one", n, self.owner, epoch)

    def _take_free(self) -> None:
        for name, kind in self._kinds.items():
            if (room := kind.room()) > 0:
                for job in self._call("take_free", name, self.owner, room):
                    self._begin(kind, job)

    def _take_lost(self) -> None:
        now = time.monotonic()
        passed, self._watched_at = min(now - self._watched_at, MOST_WATCHED_SECONDS), now
        sightings: list[Sighting] = self._call("sightings", self.owner)
        self._seen = {each: self._seen[each] + passed if each in self._seen else 0.0 for each in sightings}
        for each, watched in self._seen.items():
            kind = self._kinds.get(each.kind)
            if watched >= LOST_SECONDS and kind is not None and kind.room() > 0:
                job = self._call("take_lost", each, self.owner)
                if job is not None:
                    log.warning("%s is taken from worker %s, which shows no sign of life", job.id, each.owner)
                    self._begin(kind, job)

    def _begin(self, kind: Kind, job: Job) -> None:
        """Begin a job that this worker has just taken."""
        if self.ended:  # meanwhile
            self._call("give_back", self.owner)
        else:
            self.hold(job.n, kind.begin(job))
