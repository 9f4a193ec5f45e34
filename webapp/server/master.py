"""gunicorn's master with four changes.

It starts where the pid file names a process that is no gunicorn.

It does not wait for the workers that a reload has retired. gunicorn's own blocks until the last old worker has finished
its last request. Answers take minutes: for that long it would replace no crashed worker, and react to neither SIGTERM
nor another SIGHUP.

It repeats SIGTERM until the workers have exited, because a worker that is still starting ignores the signal. gunicorn's
own sends it once, and then waits for the whole `graceful_timeout`.

And no worker that fails to start ends it, once one has started: gunicorn's own then ends all workers with it. The old
workers of a reload are stopped only when the new ones have started.
"""

import contextlib
import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from gunicorn import arbiter

from webapp.server.start import drop_foreign_pid_file


class _UnusableConfiguration(Exception):
    """The configuration cannot be loaded."""


def _load_or_raise(load: Callable[[], None]) -> None:
    try:
        load()
    except SystemExit as error:
        raise _UnusableConfiguration(str(error)) from None


class HearthArbiter(arbiter.Arbiter):  # type: ignore[misc]
    """The master that gunicorn.conf.py sets."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.retired: dict[int, Any] = {}
        """By pid: workers that finish their requests and then exit. They do not count towards `num_workers`."""
        self.stopping = False
        self.served = False
        """Whether a worker has ever started. `HearthWorker` then exits otherwise if it fails to start."""

    def start(self) -> None:
        if self.cfg.pidfile is not None and "GUNICORN_PID" not in os.environ:  # else: SIGUSR2, beside the old master
            drop_foreign_pid_file(Path(self.cfg.pidfile))
        super().start()

    def reload(self) -> None:
        """Reload, unless the configuration cannot be used: then keep the workers that there are.

        gunicorn ends its master where the configuration fails to load, and all streams with it.
        """
        before, load = self.app.cfg, self.app.reload
        self.app.reload = lambda: _load_or_raise(load)  # a worker's own SystemExit must stay one
        try:
            super().reload()
        except _UnusableConfiguration as error:
            self.app.cfg = before
            self.log.error("the reload failed, and the old workers stay: %s", error)
        finally:
            self.app.reload = load

    def manage_workers(self) -> None:
        too_many = max(0, len(self.WORKERS) - self.num_workers)
        for worker in sorted(self.WORKERS.values(), key=lambda worker: worker.age)[:too_many]:
            self.retired[worker.pid] = self.WORKERS.pop(worker.pid)
        needed = self._newest_started()
        for pid in [pid for pid in self.retired if pid not in needed]:
            self.kill_worker(pid, signal.SIGTERM)
        super().manage_workers()

    def _newest_started(self) -> set[int]:
        """Return the pids of the newest workers that have started, at most `num_workers`."""
        workers = [worker for worker in [*self.WORKERS.values(), *self.retired.values()] if _has_started(worker)]
        self.served = self.served or bool(workers)
        newest = sorted(workers, key=lambda worker: worker.age, reverse=True)[: self.num_workers]
        return {worker.pid for worker in newest}

    def reap_workers(self) -> None:
        if self.stopping:
            self.kill_workers(signal.SIGTERM)
        with self._with_retired():
            super().reap_workers()

    def murder_workers(self) -> None:
        with self._with_retired():
            super().murder_workers()

    def stop(self, graceful: bool = True) -> None:
        self.WORKERS.update(self.retired)
        self.retired.clear()
        self.stopping = True  # from here on gunicorn only calls `reap_workers` in a loop
        super().stop(graceful)

    @contextlib.contextmanager
    def _with_retired(self) -> Iterator[None]:
        """Put the retired workers into `WORKERS` for the duration of the block."""
        self.WORKERS.update(self.retired)
        try:
            yield
        finally:
            self.retired = {pid: self.WORKERS.pop(pid) for pid in self.retired if pid in self.WORKERS}


def _has_started(worker: Any) -> bool:
    """Return whether a worker serves requests.

    It then sets the time of its file to `time.monotonic()`, by which gunicorn's master sees that it lives. Until then
    the file has the time of its creation, in seconds since 1970.
    """
    try:
        return bool(worker.tmp.last_update() <= time.monotonic())
    except (OSError, ValueError):
        return False
