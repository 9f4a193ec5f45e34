"""One window for each test."""

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page

from tests.browser import page_of
from tests.harness import Hearth


@pytest.fixture
def page(browser: Browser, hearth: Hearth) -> Iterator[Page]:
    with page_of(browser, hearth.url) as found:
        yield found
