"""The small parent process (without torch) that restarts the model process after a crash, and cleans up after it."""

import contextlib
import ctypes
import logging
import os
import signal
import subprocess
import sys
import time
from types import FrameType

from engine_proc.exit_status import EXIT_LOAD_FAILED, EXIT_UNREACHABLE, EXIT_USAGE
from engine_proc.lock import lock_holder, take_lock
from engine_proc.log_file import trim_own_log
from engine_proc.process.watchdog import HEARTBEAT_FD, Watchdog
from engine_proc.settings import Settings
from schemas.shared.descriptors import raise_descriptor_limit
from schemas.shared.endpoint import PROJECT_ROOT, make_run_dir
from schemas.shared.known_settings import unknown_settings
from schemas.shared.problem import clear_problem, read_problem, record_problem

log = logging.getLogger("hearth.supervisor")

STOP_GRACE = 8.0
"""Seconds that the model process has to exit after TERM and the drain, before KILL."""
FIRST_BACKOFF, LAST_BACKOFF = 1.0, 30.0
"""Seconds before a restart: the first value, doubled up to the last by each process that has not loaded its model."""
MAX_FAILED_LOADS = 3
"""Failed loads in a row after which the supervisor exits."""
UNREACHABLE_SECONDS = 600.0
"""How long the supervisor waits for a hub that cannot be reached: at a boot, the network comes up after the engine."""
GROUP_GRACE, GROUP_POLL = 2.0, 0.02
"""Seconds that the model process's descendants have to exit after it, and between two looks whether they have."""
_PR_SET_CHILD_SUBREAPER = 36


class Supervisor:
    """Runs the model process, and restarts it until `SIGTERM` or `SIGINT` arrives."""

    def __init__(self, settings: Settings, argv: list[str]) -> None:
        self.settings = settings
        self.argv = argv
        self.load_count = 0
        self.loaded = False
        """Whether the last model process had loaded its model when it ended."""
        self.stop_requested_at: float | None = None
        self.child: subprocess.Popen[bytes] | None = None

    def run(self) -> int:
        """Run until stopped. Returns 0 if stopped, 1 if another engine runs, else the model process's exit status."""
        make_run_dir(self.settings.run_dir)
        raise_descriptor_limit()
        _adopt_orphans()
        lock = take_lock(self.settings.lock_file)
        if lock is None:
            holder = lock_holder(self.settings.lock_file)
            log.error("an engine is already running (pid %s): `hearth stop` stops it", holder)
            return 1
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_stop_signal)
        for name, advice in unknown_settings(os.environ):
            log.warning("%s is not a setting of Hearth: %s", name, advice)
        with lock:
            return self._keep_alive()

    def _keep_alive(self) -> int:
        backoff, failed_loads, unreachable_since = FIRST_BACKOFF, 0, None
        while True:
            if unreachable_since is None:  # else the model process clears the problem, once the hub answers
                clear_problem(self.settings.run_dir)
            status = self._run_once()
            if self.stop_requested_at is not None or status == 0:  # stopped by a signal, or after a drain
                clear_problem(self.settings.run_dir)
                return 0
            if not read_problem(self.settings.run_dir):
                record_problem(self.settings.run_dir, f"its process ended with {_ending(status)}")
            if status == EXIT_USAGE:
                return status
            if status != EXIT_UNREACHABLE:
                unreachable_since = None
            else:
                unreachable_since = unreachable_since or time.monotonic()
                if time.monotonic() - unreachable_since > UNREACHABLE_SECONDS:
                    log.error("the hub could not be reached for %.0f s: giving up", UNREACHABLE_SECONDS)
                    return status
            failed_loads = failed_loads + 1 if status == EXIT_LOAD_FAILED else 0
            if failed_loads == MAX_FAILED_LOADS:
                log.error("the model could not be loaded %d times in a row: giving up", failed_loads)
                return status
            if self.loaded:  # requests wait, and what ends engines again and again is found (docs/resuming.md)
                backoff = FIRST_BACKOFF
            log.error("the model process ended with status %s: restarting it in %.0f s", status, backoff)
            self._sleep(backoff)
            if self.stop_requested_at is not None:
                return 0
            backoff = min(backoff * 2, LAST_BACKOFF)

    def _run_once(self) -> int:
        """Run the model process until it exits, kill its remaining descendants, and return its exit status."""
        self.load_count += 1
        watchdog = Watchdog()
        environment = {
            **self.settings.environment(),
            "HEARTH_LOAD_COUNT": str(self.load_count),
            HEARTBEAT_FD: str(watchdog.child_fd),
            "HEARTH_PARENT_PID": str(os.getpid()),
        }
        self.child = subprocess.Popen(
            [sys.executable, "-m", "engine_proc.process.model_process", *self.argv],
            cwd=PROJECT_ROOT,
            env=environment,
            pass_fds=[watchdog.child_fd],
            process_group=0,  # one group with all that vLLM starts, and without the terminal's Ctrl-C
        )
        watchdog.close_child_end()
        if self.stop_requested_at is not None:  # the signal arrived before `self.child` was set
            self.child.terminate()
        try:
            return self._wait(self.child, watchdog)
        finally:
            self.loaded = watchdog.loaded
            watchdog.close()
            _end_group(self.child.pid)
            self.child.wait()

    def _wait(self, child: subprocess.Popen[bytes], watchdog: Watchdog) -> int:
        """Wait for the child to exit, and kill it if it hangs or does not stop in time. Returns its exit status.

        Meanwhile the log is kept within its bounds.
        """
        grace = self.settings.drain_seconds + STOP_GRACE
        while True:
            try:
                return child.wait(timeout=0.2)
            except subprocess.TimeoutExpired:
                trim_own_log(self.settings.log_file)
                silence = watchdog.silence()
                if self.stop_requested_at is not None and time.monotonic() - self.stop_requested_at > grace:
                    log.error("the model process did not stop within %.0f s: killing it", grace)
                elif silence > (self.settings.stall_seconds if watchdog.loaded else self.settings.load_stall_seconds):
                    log.error("the model process has sent no heartbeat for %.0f s: killing it", silence)
                else:
                    continue
                child.kill()
                return -signal.SIGKILL

    def _sleep(self, seconds: float) -> None:
        """Sleep, but not longer than until a stop is requested."""
        deadline = time.monotonic() + seconds
        while self.stop_requested_at is None and time.monotonic() < deadline:
            time.sleep(0.1)

    def _on_stop_signal(self, number: int, frame: FrameType | None) -> None:
        self.stop_requested_at = self.stop_requested_at or time.monotonic()
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()


def _ending(status: int) -> str:
    """Return how a process ended, for the operator. `status` is as `subprocess` has it."""
    if status >= 0:
        return f"status {status}"
    hint = ": the kernel does this where memory runs out" if status == -signal.SIGKILL else ""
    return f"signal {-status}{hint}"


def _adopt_orphans() -> None:
    """Become the parent of all descendants whose own parent has died (Linux: prctl(2)).

    They would else be left to the host's first process, and be counted as running until it looks after them: it does so
    late on many hosts, and never where it is a container's program.
    """
    ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1)


def _end_group(group: int) -> None:
    """Wait until no process of a group is left whose leader has exited. Those left after `GROUP_GRACE` are killed.

    They die with their parents in any case. The delay gives multiprocessing's resource tracker time to free shared
    memory.
    """
    polls = int(GROUP_GRACE / GROUP_POLL)
    with contextlib.suppress(ProcessLookupError):
        for number in range(2 * polls):
            _reap_orphans()
            os.killpg(group, signal.SIGKILL if number == polls else 0)
            time.sleep(GROUP_POLL)


def _reap_orphans() -> None:
    """Forget the adopted processes that have exited. Only when the model process itself has."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
