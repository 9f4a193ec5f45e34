"""One window for each test, and a web tier without an engine."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import page_of
from tests.harness import Hearth


@pytest.fixture
def page(browser: Browser, hearth: Hearth) -> Iterator[Page]:
    with page_of(browser, hearth.url) as found:
        yield found


@pytest.fixture(scope="session")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """A web tier without an engine."""
    stack = Hearth(tmp_path_factory.mktemp("alone"), HEARTH_ENGINE_SPAWN="0")
    stack.start_web()
    yield stack
    stack.stop_web()


@pytest.fixture
def alone_page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    """A window of the web tier without an engine."""
    with page_of(browser, alone.url) as found:
        expect(found.locator("#engine")).to_have_text("engine unreachable")
        yield found
