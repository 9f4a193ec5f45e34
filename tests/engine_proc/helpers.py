"""What several of these tests share."""

import asyncio
import functools
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

import psutil

from engine_proc.settings import DEMO_MODEL, Settings

MODEL = DEMO_MODEL

P = ParamSpec("P")


def on_a_loop(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Make an `async def` a test: on an asyncio loop of its own, and failing where it hangs."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        asyncio.run(asyncio.wait_for(test(*args, **kwargs), 30))

    return run


async def eventually(condition: Callable[[], Any], what: str) -> None:
    """Let the loop run until `condition` is true; fail after 5 s."""
    try:
        async with asyncio.timeout(5):
            while not condition():
                await asyncio.sleep(0.005)
    except TimeoutError:
        raise AssertionError(f"not within 5 s: {what}") from None


def gone(pid: int) -> bool:
    """The process has ended, whether or not somebody has read its exit status."""
    try:
        return bool(psutil.Process(pid).status() == psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return True


def settings_in(run_dir: Path) -> Settings:
    """Settings of an engine that lives in `run_dir`."""
    return Settings(
        model="/nowhere",
        served_names=[],
        endpoint=f"ipc://{run_dir}/engine.sock",
        curve_keys=None,
        run_dir=run_dir,
        engine_args=[],
        max_queue=8,
        max_per_key=0,
        max_beam_width=16,
        drain_seconds=0.0,
        stall_seconds=60.0,
        default_stops=[],
        repeat_max_pattern=32,
        repeat_min_count=4,
        control_tokens_in_text=False,
        log_format="console",
    )
