"""The commands `start`, `wait`, `stop` and `drain`. Each returns its exit status."""

import os
import signal
import subprocess
import sys
import time

from tqdm import tqdm

from engine_proc.commands.asking import ANSWER_SECONDS, ask
from engine_proc.commands.vllm_installed import WEB_TIER_ALONE, vllm_installed
from engine_proc.exit_status import EXIT_USAGE
from engine_proc.lock import lock_holder
from engine_proc.log_file import trim_log
from engine_proc.settings import Settings
from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT, make_run_dir
from schemas.shared.problem import clear_problem, read_problem, record_problem

STOP_SECONDS = 15.0
"""Time limit for an engine without live requests to stop."""
REPORT_SECONDS = 2.0
"""Interval at which `stop` and `drain` print the number of live requests."""


def start(settings: Settings, extra: list[str]) -> int:
    """Start an engine in the background, unless one is running. `extra` are vLLM's flags.

    Does not wait for the model to load (see `wait`). Exit status 2: vLLM is not installed.
    """
    make_run_dir(settings.run_dir)
    if (holder := lock_holder(settings.lock_file)) is not None:
        print(f"an engine is already running (pid {holder})")
        return 0
    if not vllm_installed():
        record_problem(settings.run_dir, WEB_TIER_ALONE)
        print(f"engine_proc: {WEB_TIER_ALONE}", file=sys.stderr)
        return EXIT_USAGE
    clear_problem(settings.run_dir)
    with settings.log_file.open("ab") as log:
        trim_log(settings.log_file)
        process = subprocess.Popen(
            [sys.executable, "-m", "engine_proc", "serve", *extra],
            cwd=PROJECT_ROOT,
            env=settings.environment(),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,  # not its own session, between which the kernel would divide the cores
        )
    print(f"engine started (pid {process.pid}), log in {settings.log_file}")
    return 0


def stop(settings: Settings) -> int:
    """Stop the engine and wait until it has exited. Live requests get `drain_seconds`. Exit status 1: it still runs."""
    holder = lock_holder(settings.lock_file)
    if holder is None:
        print("no engine is running")
        return 0
    os.kill(holder, signal.SIGTERM)
    return _wait_for_exit(settings, holder, settings.drain_seconds + STOP_SECONDS)


def drain(settings: Settings, seconds: float) -> int:
    """Stop the engine as `stop` does, with `seconds` for live requests. Unfinished ones resume in the next engine."""
    holder = lock_holder(settings.lock_file)
    if holder is None or ask(settings.endpoint, wire.Drain(seconds=seconds), keys=settings.client_keys()) is None:
        print("no engine is running")
        return 0
    return _wait_for_exit(settings, holder, seconds + STOP_SECONDS)


def _wait_for_exit(settings: Settings, holder: int, seconds: float) -> int:
    """Wait until the engine with pid `holder` has exited. Returns the exit status: 1 if it has not within `seconds`."""
    reported_at = time.monotonic()
    deadline = reported_at + seconds
    while time.monotonic() < deadline:
        if lock_holder(settings.lock_file) != holder:
            print(f"engine stopped (pid {holder})")
            return 0
        if time.monotonic() - reported_at > REPORT_SECONDS:
            reported_at = time.monotonic()
            replies = ask(settings.endpoint, wire.Ping(), keys=settings.client_keys(), seconds=1.0)
            if replies and replies[0].live:
                print(f"engine: {replies[0].live} live requests", file=sys.stderr, flush=True)
        time.sleep(0.1)
    print(f"the engine (pid {holder}) has not stopped within {seconds:.0f} s", file=sys.stderr)
    return 1


def wait(settings: Settings, seconds: float) -> int:
    """Show the progress of the load, and why an engine does not answer. Returns the exit status.

    0: ready, 1: no engine is running, 3: not ready after `seconds`.
    """
    keys = settings.client_keys()
    now = time.monotonic()
    deadline, answered_at = now + seconds, now
    with _Progress() as progress:
        while now < deadline:
            replies = ask(settings.endpoint, wire.Ping(), keys=keys, seconds=1.0)
            now = time.monotonic()
            if replies is not None:
                answered_at = now
                progress.show(replies[0].load)
                if replies[0].load.ready:
                    return 0
            elif lock_holder(settings.lock_file) is not None:
                progress.explain(read_problem(settings.run_dir))
            elif now - answered_at > ANSWER_SECONDS:
                break
            time.sleep(0.25)
    if now < deadline:
        problem = read_problem(settings.run_dir)
        print(f"no engine is running: {problem or 'none was started'} (log: {settings.log_file})", file=sys.stderr)
        return 1
    print(f"the model is not ready after {seconds:.0f} s, and the engine goes on trying", file=sys.stderr)
    return 3


class _Progress:
    """A progress bar on a terminal, or one line per stage elsewhere."""

    def __init__(self) -> None:
        self._bar = tqdm(
            total=100, bar_format="{desc:40} {bar:30} {n:3.0f}% [{elapsed}]", disable=not sys.stderr.isatty()
        )
        self._stage = ""
        self._problem = ""

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, load: wire.Load) -> None:
        """Show the current stage and progress."""
        if load.stage != self._stage:
            self._stage = load.stage
            self._bar.set_description_str(load.stage, refresh=False)
            if self._bar.disable:
                print(f"engine: {load.stage}", file=sys.stderr, flush=True)
        self._bar.update(load.progress * 100 - self._bar.n)

    def explain(self, problem: str) -> None:
        """Print why no model is being loaded, unless it was printed last. Empty: nothing is known."""
        if problem and problem != self._problem:
            self._problem = problem
            self._bar.write(f"engine: {problem}", file=sys.stderr)
            sys.stderr.flush()
