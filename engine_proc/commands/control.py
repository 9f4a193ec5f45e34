"""Talking to an engine from the command line: is it there, how far is it, start it, stop it."""

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
from engine_proc.settings import Settings
from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT, make_run_dir

STOP_SECONDS = 15.0
"""What an engine with nothing to do takes to stop, and more."""
SAY_EVERY = 2.0
"""Seconds between two words about what an engine that is being stopped still does."""
MAX_LOG_BYTES = 16 * 1024 * 1024


def start(settings: Settings, extra: list[str]) -> int:
    """Start a detached engine where none runs. Returns at once; `wait` waits for the model. Exit status 2: no vLLM."""
    make_run_dir(settings.run_dir)
    if (holder := lock_holder(settings.lock_file)) is not None:
        print(f"an engine already runs (pid {holder})")
        return 0
    if not vllm_installed():
        print(f"engine_proc: {WEB_TIER_ALONE}", file=sys.stderr)
        return EXIT_USAGE
    with settings.log_file.open("ab") as log:
        if log.tell() > MAX_LOG_BYTES:
            log.truncate(0)
        process = subprocess.Popen(
            [sys.executable, "-m", "engine_proc", "serve", *extra],
            cwd=PROJECT_ROOT,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            process_group=0,  # not a session of its own: the kernel would share the cores out between the two tiers
        )
    print(f"engine started (pid {process.pid}), log in {settings.log_file}")
    return 0


def stop(settings: Settings) -> int:
    """Stop the engine and wait until it is gone; live requests get `drain_seconds`. Exit status 1: it is not gone."""
    holder = lock_holder(settings.lock_file)
    if holder is None:
        print("no engine runs")
        return 0
    os.kill(holder, signal.SIGTERM)
    return _wait_for_the_end(settings, holder, settings.drain_seconds + STOP_SECONDS)


def drain(settings: Settings, seconds: float) -> int:
    """The same, with another limit for live requests. What is not done by then goes on in the next engine."""
    holder = lock_holder(settings.lock_file)
    if holder is None or ask(settings.endpoint, wire.Drain(seconds=seconds), keys=settings.client_keys()) is None:
        print("no engine runs")
        return 0
    return _wait_for_the_end(settings, holder, seconds + STOP_SECONDS)


def _wait_for_the_end(settings: Settings, holder: int, seconds: float) -> int:
    said = time.monotonic()
    deadline = said + seconds
    while time.monotonic() < deadline:
        if lock_holder(settings.lock_file) != holder:
            print(f"engine stopped (pid {holder})")
            return 0
        if time.monotonic() - said > SAY_EVERY:
            said = time.monotonic()
            replies = ask(settings.endpoint, wire.Ping(), keys=settings.client_keys(), seconds=1.0)
            if replies and replies[0].live:
                print(f"engine: {replies[0].live} live requests", file=sys.stderr, flush=True)
        time.sleep(0.1)
    print(f"the engine (pid {holder}) has not stopped within {seconds:.0f} s", file=sys.stderr)
    return 1


def wait(settings: Settings, seconds: float) -> int:
    """Show how the load comes on. Exit status 0: ready, 1: the engine is gone, 3: not ready after `seconds`."""
    keys = settings.client_keys()
    now = time.monotonic()
    deadline, heard = now + seconds, now
    with _Progress() as progress:
        while now < deadline:
            replies = ask(settings.endpoint, wire.Ping(), keys=keys, seconds=1.0)
            now = time.monotonic()
            if replies is not None:
                heard = now
                progress.show(replies[0].load)
                if replies[0].load.ready:
                    return 0
            elif lock_holder(settings.lock_file) is None and now - heard > ANSWER_SECONDS:
                break
            time.sleep(0.25)
    if now < deadline:
        print(f"no engine runs; the reason is in {settings.log_file}", file=sys.stderr)
        return 1
    print(f"the model is not ready after {seconds:.0f} s, and its load goes on; wait again", file=sys.stderr)
    return 3


class _Progress:
    """A bar on a terminal; elsewhere a line per stage."""

    def __init__(self) -> None:
        self._bar = tqdm(
            total=100, bar_format="{desc:40} {bar:30} {n:3.0f}% [{elapsed}]", disable=not sys.stderr.isatty()
        )
        self._stage = ""

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.close()

    def show(self, load: wire.Load) -> None:
        if load.stage != self._stage:
            self._stage = load.stage
            self._bar.set_description_str(load.stage, refresh=False)
            if self._bar.disable:
                print(f"engine: {load.stage}", file=sys.stderr, flush=True)
        self._bar.update(load.progress * 100 - self._bar.n)
