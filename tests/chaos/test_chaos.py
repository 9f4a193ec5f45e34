"""Less than a minute of what `make chaos` does for ten, with a seed of its own each time, printed where it fails."""

import asyncio
import random
from pathlib import Path

import pytest

from tests.chaos.__main__ import ENVIRONMENT
from tests.chaos.run import Run
from tests.harness import Hearth, processes_of


@pytest.mark.timeout(900)
def test_chaos_loses_nothing(tmp_path: Path) -> None:
    hearth = Hearth(tmp_path / "run", **ENVIRONMENT)
    try:
        hearth.start_web()
        hearth.wait_ready()
        seed = random.SystemRandom().randrange(10**6)
        account = asyncio.run(Run(hearth, seed, print).go(45, web_every=8, engine_after=5))
    finally:
        hearth.shut_down()
    print("\n".join(account.lines()))
    assert account.good, account.lines()
    assert account.answered.total() > 0
    assert account.engines_lost > 0
    assert not processes_of(str(hearth.run_dir))
