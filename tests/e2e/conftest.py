"""What the end-to-end tests have beside an engine: a browser, Transformers, a connection of their own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from engine_proc.settings import DEMO_MODEL
from tests.browser import chromium
from tests.collector import Collector
from tests.e2e.guarded import Guarded
from tests.e2e.precise import Transformers, Wire

if TYPE_CHECKING:
    from playwright.sync_api import Browser

    from tests.harness import Hearth


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the session: while Playwright runs, nothing else can run an event loop in this thread."""
    with chromium() as found:
        yield found


@pytest.fixture(scope="session")
def reference() -> Transformers:
    """The demo model in float32."""
    return Transformers(DEMO_MODEL)


@pytest.fixture
def wired(precise: Hearth) -> Iterator[Wire]:
    """A connection to the float32 engine."""
    connection = Wire(precise)
    yield connection
    connection.close()


@pytest.fixture(scope="session")
def collector() -> Iterator[Collector]:
    """What `guarded` sends its traces to."""
    with Collector() as running:
        yield running


@pytest.fixture(scope="session")
def guarded(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Guarded]:
    """For tests that leave the keys as they found them."""
    stack = Guarded(tmp_path_factory.mktemp("guarded"), collector)
    try:
        stack.start_web()
        stack.wait_ready()
        yield stack
    finally:
        stack.shut_down()
