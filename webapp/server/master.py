"""gunicorn's master, with two things changed.

It does not wait for the workers that a reload has retired: gunicorn's own stands still until the last old worker has
finished its last request. With answers that take minutes, that long it would replace no worker that dies, and obey
neither TERM nor another HUP.

And what it asks of its workers it asks again until they are gone, for a worker that is still starting hears nothing:
gunicorn's own asks once, and then waits for all of `graceful_timeout`.
"""

import contextlib
import signal
from collections.abc import Iterator
from typing import Any

from gunicorn import arbiter


class HearthArbiter(arbiter.Arbiter):  # type: ignore[misc]
    """What gunicorn.conf.py has gunicorn run."""

    def __init__(self, app: Any) -> None:
        super().__init__(app)
        self.retired: dict[int, Any] = {}
        """By pid: workers that finish what they have. They count for none of `num_workers`."""
        self.stopping = False

    def manage_workers(self) -> None:
        too_many = max(0, len(self.WORKERS) - self.num_workers)
        for worker in sorted(self.WORKERS.values(), key=lambda worker: worker.age)[:too_many]:
            self.retired[worker.pid] = self.WORKERS.pop(worker.pid)
        for pid in list(self.retired):
            self.kill_worker(pid, signal.SIGTERM)
        super().manage_workers()

    def reap_workers(self) -> None:
        if self.stopping:
            self.kill_workers(signal.SIGTERM)
        with self._together():
            super().reap_workers()

    def murder_workers(self) -> None:
        with self._together():
            super().murder_workers()

    def stop(self, graceful: bool = True) -> None:
        self.WORKERS.update(self.retired)
        self.retired.clear()
        self.stopping = True  # gunicorn's loop over there does nothing else than to reap
        super().stop(graceful)

    @contextlib.contextmanager
    def _together(self) -> Iterator[None]:
        """`WORKERS` holds the retired too."""
        self.WORKERS.update(self.retired)
        try:
            yield
        finally:
            self.retired = {pid: self.WORKERS.pop(pid) for pid in self.retired if pid in self.WORKERS}
