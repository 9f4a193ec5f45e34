"""The model process's heartbeat, on a pipe to its supervisor: a process that is stopped or stuck cannot be asked."""

import contextlib
import os
import time

HEARTBEAT_FD = "HEARTH_PULSE_FD"
"""Names the pipe's writing end in the model process's environment."""


class Heartbeat:
    """The beating end. Beats nowhere where no supervisor listens."""

    def __init__(self) -> None:
        self._fd = int(os.environ.get(HEARTBEAT_FD, "-1"))
        if self._fd >= 0:
            os.set_blocking(self._fd, False)

    def beat(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._fd, b".")


class Watchdog:
    """The listening end."""

    def __init__(self) -> None:
        self._fd, self.child_fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._heard_at = self._listened_at = time.monotonic()

    def silence(self) -> float:
        """Seconds since the last beat. Time in which nobody listened does not count: then it was the host that slept.

        Call it several times a second.
        """
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            if os.read(self._fd, 4096):
                self._heard_at = now
        if now - self._listened_at > 5.0:
            self._heard_at = now
        self._listened_at = now
        return now - self._heard_at

    def close_child_end(self) -> None:
        """Once the child has it."""
        os.close(self.child_fd)

    def close(self) -> None:
        os.close(self._fd)
