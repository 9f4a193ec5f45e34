"""One engine and one web tier for all end-to-end tests: a load costs what hundreds of requests cost."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser

from tests.browser import chromium
from tests.harness import Hearth, serving, until


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """For tests that leave the engine as they found it; use `hearth`, which checks that they do."""
    with serving(tmp_path_factory.mktemp("run")) as stack:
        yield stack


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """Not for the session: while Playwright runs, nothing else can run an event loop in this thread."""
    with chromium() as found:
        yield found


@pytest.fixture
def hearth(running: Hearth) -> Iterator[Hearth]:
    """The running Hearth. After the test, the same engine must live and hold no request."""
    identity = running.identity()
    yield running
    until(lambda: running.live() == 0, 5, "no request is live")
    assert running.identity() == identity, "the model was loaded again"
