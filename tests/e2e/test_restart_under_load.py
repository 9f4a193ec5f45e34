"""Under load, a reload and a new master fail no request; a killed worker fails those alone that it had."""

from collections.abc import Iterator

import pytest

from tests.e2e.load import Load
from tests.e2e.masters import SECONDS, master_of, reload_workers, replace_master, replaceable, worker_pids
from tests.harness import Hearth, until

CLIENTS = 8


@pytest.fixture
def load(hearth: Hearth) -> Iterator[Load]:
    with replaceable(hearth), Load(hearth.url, CLIENTS) as load:
        yield load


def test_hup(hearth: Hearth, load: Load) -> None:
    for _ in range(3):
        reload_workers(hearth)
        load.goes_on()
    load.check()


def test_a_new_master(hearth: Hearth, load: Load) -> None:
    """Twice: the second time it is the new master that is replaced."""
    for _ in range(2):
        old = master_of(hearth)
        replace_master(hearth)
        assert master_of(hearth) != old
        load.goes_on()
    load.check()


def test_a_killed_worker(hearth: Hearth, load: Load) -> None:
    killed = hearth.workers()[0]
    killed.kill()
    until(lambda: killed.pid not in worker_pids(hearth) and len(worker_pids(hearth)) == 2, SECONDS, "it is replaced")
    load.goes_on()
    lost = len(load.failures)
    assert lost <= CLIENTS, "what it was answering, and no more"
    load.goes_on()
    assert len(load.failures) == lost, "the others are answered"
