"""The model process's heartbeat, on a pipe by which the supervisor detects a process that is stopped or hangs."""

import contextlib
import os
import time

HEARTBEAT_FD = "HEARTH_PULSE_FD"
"""Environment variable of the model process: the file descriptor of the pipe's writing end."""
LOADING, LOADED = b".", b"+"
"""A heartbeat: whether the model process has loaded its model."""


class Heartbeat:
    """The model process's end. Does nothing in a process that has no supervisor."""

    def __init__(self) -> None:
        self._fd = int(os.environ.get(HEARTBEAT_FD, "-1"))
        if self._fd >= 0:
            os.set_blocking(self._fd, False)

    def beat(self, *, loaded: bool) -> None:
        """Send one heartbeat. `loaded`: the model is ready. Never blocks or raises."""
        if self._fd >= 0:
            with contextlib.suppress(BlockingIOError, BrokenPipeError):
                os.write(self._fd, LOADED if loaded else LOADING)


class Watchdog:
    """The supervisor's end."""

    def __init__(self) -> None:
        self.loaded = False
        """Whether the model process had loaded its model when it sent the last heartbeat that was read."""
        self._fd, self.child_fd = os.pipe()
        os.set_blocking(self._fd, False)
        self._last_beat = self._last_check = time.monotonic()

    def silence(self) -> float:
        """Return the seconds since the last heartbeat. Must be called several times a second.

        A longer time between two calls does not count as silence: the host was suspended, and both processes with it.
        """
        now = time.monotonic()
        with contextlib.suppress(BlockingIOError):
            if beats := os.read(self._fd, 4096):
                self._last_beat = now
                self.loaded = self.loaded or LOADED in beats
        if now - self._last_check > 5.0:
            self._last_beat = now
        self._last_check = now
        return now - self._last_beat

    def close_child_end(self) -> None:
        """Close this process's copy of the writing end, after the child has been started."""
        os.close(self.child_fd)

    def close(self) -> None:
        os.close(self._fd)
