"""The pages where there is hardly room: 320 px, and letters twice as large. No engine is needed."""

from typing import Any

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import page_of
from tests.e2e.page.test_everyone import SMALL, check
from tests.e2e.page.test_inputs import ready
from tests.harness import Hearth

NAME = "chatcmpl-0123456789abcdef0123456789abcdef"
IS_HIT = """button => {
  const { left, right, top, bottom } = button.getBoundingClientRect();
  const hit = document.elementFromPoint((left + right) / 2, (top + bottom) / 2);
  return left >= 0 && right <= innerWidth && (hit === button || button.contains(hit));
}"""
BELOW = """drawer => {
  const header = document.querySelector("header").getBoundingClientRect(), box = drawer.getBoundingClientRect();
  return [box.top - header.bottom, innerHeight - box.bottom, header.height].map(Math.round);
}"""


@pytest.mark.parametrize("letters", [16, 32])
def test_a_drawer_begins_below_the_header_however_tall(browser: Browser, alone: Hearth, letters: int) -> None:
    with page_of(browser, alone.url, SMALL) as page:
        ready(page, "a-poet-with-a-long-name")
        page.evaluate("letters => (document.documentElement.style.fontSize = `${letters}px`)", letters)
        heights = []
        for opener, drawer in (("show-shelf", "shelf"), ("show-fields", "fields")):
            page.locator(f"#{opener}").click()
            shown = page.locator(f"#{drawer}")
            expect(shown).to_be_visible()
            above, below, height = shown.evaluate(BELOW)
            assert (above, below) == (0, 0), drawer
            heights.append(height)
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.locator(f"#{opener}").click()
            expect(shown).to_be_hidden()
        assert heights[0] == heights[1]
        if letters == 32:
            assert heights[0] > 2 * 88, "the header has two lines, or this shows nothing"


def listing(page: Page, path: str, *data: dict[str, Any]) -> None:
    page.route(path, lambda route: route.fulfill(json={"object": "list", "data": data, "total": len(data)}))


def in_reach(page: Page, buttons: Locator, count: int) -> None:
    expect(buttons).to_have_count(count)
    for button in buttons.all():
        button.evaluate("button => button.scrollIntoView({ behavior: 'instant', block: 'center', inline: 'nearest' })")
        assert button.evaluate(IS_HIT), button.get_attribute("aria-label")
    scrolled = page.locator(".scroll").evaluate_all("all => all.map((one) => one.scrollLeft)")
    assert set(scrolled) == {0}


def test_what_ends_a_request_is_in_reach(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, SMALL, path="/status") as page:
        common = {"age_seconds": 90061.0, "key": "somebody's key", "id": NAME}
        listing(page, "**/admin/requests", {**common, "object": "request", "user": "u" * 64, "sequences": 128})
        listing(page, "**/admin/jobs", {**common, "object": "job", "state": "in_progress", "tokens": 123_456})
        batch = {
            "id": "batch_0123456789abcdef0123456789abcdef",
            "created_at": 1_790_000_000,
            "status": "in_progress",
            "request_counts": {"total": 50_000, "completed": 41_000, "failed": 1_000},
            "output_file_id": "file-1",
            "error_file_id": "file-2",
        }
        listing(page, "**/v1/batches*", batch)
        page.locator("#admin-key").fill("root")
        page.keyboard.press("Enter")
        in_reach(page, page.locator("#requests button"), 1)
        in_reach(page, page.locator("#jobs button"), 1)
        in_reach(page, page.locator("#batches button"), 3)
        assert page.locator(".scroll").evaluate_all("all => all.some((one) => one.scrollWidth > one.clientWidth)")
        check(page, "operated")
