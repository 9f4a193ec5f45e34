"""Less than a minute of what `make chaos` does for ten, with a seed of its own each time, printed where it fails."""

import asyncio
import random

import psutil
import pytest

from tests.chaos.run import Run
from tests.harness import Hearth, processes_of, until


@pytest.mark.timeout(900)
def test_chaos_loses_nothing(mortal: Hearth) -> None:
    mortal.bring_up()
    seed = random.SystemRandom().randrange(10**6)
    account = asyncio.run(Run(mortal, seed, print).go(45, web_every=8, engine_after=5))
    print("\n".join(account.lines()))
    assert account.good, account.lines()
    assert account.answered.total() > 0
    assert account.engines_lost > 0
    until(lambda: not orphans(mortal), 10, "what was killed has left nothing")


def orphans(hearth: Hearth) -> list[psutil.Process]:
    """What is left of engines and workers that were killed: it descends from neither of those that run."""
    assert hearth.web is not None
    heads = [hearth.web.pid, int((hearth.run_dir / "engine.lock").read_text())]
    families = {one for pid in heads for one in (psutil.Process(pid), *psutil.Process(pid).children(recursive=True))}
    return [process for process in processes_of(str(hearth.run_dir)) if process not in families]
