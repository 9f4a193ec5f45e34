"""Long conversations: a key costs what it costs on an empty page, and only what is near is rendered."""

import json
from typing import Any

from playwright.sync_api import Browser, Page, expect

from tests.browser import page_of
from tests.harness import Hearth

TURNS = 200
KEYS = "what a key costs"
LONG = "A **long** paragraph of a hundred characters or so, with `code`, and so on until the line is full.\n\n" * 1000
STORED = [
    {"role": role, "content": f"{role} {turn}\n\n{LONG if turn % 20 == 0 else '- **one**'}"}
    for turn in range(TURNS)
    for role in ("user", "assistant")
]


def work_of_keys(browser: Browser, page: Page) -> dict[str, int]:
    """Return how many boxes were laid out, and how many elements got a new style, while `KEYS` were pressed."""
    page.locator("#prompt").focus()
    page.keyboard.type("x")
    browser.start_tracing(page=page, categories=["devtools.timeline", "blink"])
    page.keyboard.type(KEYS)
    page.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    events: list[dict[str, Any]] = json.loads(browser.stop_tracing())["traceEvents"]
    laid = [
        event["args"]["beginData"]["dirtyObjects"]
        for event in events
        if "beginData" in event.get("args", {}) and "dirtyObjects" in event["args"]["beginData"]
    ]
    styled = [event["args"]["elementCount"] for event in events if "elementCount" in event.get("args", {})]
    assert laid, "the keys were drawn"
    return {
        "laid out": sum(laid),
        "styled": sum(styled),
        "elements": page.evaluate("document.querySelectorAll('*').length"),
    }


def test_a_key_costs_what_it_costs_on_an_empty_page(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        expect(page.locator("#engine")).to_have_text("engine unreachable")
        empty = work_of_keys(browser, page)
        page.route("**/v1/conversations/long", lambda route: route.fulfill(json={"messages": STORED}))
        page.evaluate("location.hash = 'long'")
        expect(page.locator("article")).to_have_count(2 * TURNS)
        expect(page.locator("article").last.locator("strong")).to_be_visible()
        page.locator("#prompt").fill("")
        full = work_of_keys(browser, page)
        print(empty, full)
        assert full["elements"] > 3 * empty["elements"]
        assert full["laid out"] <= 1.5 * empty["laid out"] + 20
        assert full["styled"] <= 1.5 * empty["styled"] + 20


def test_what_is_far_away_is_rendered_when_it_comes_near(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        page.route("**/v1/conversations/long", lambda route: route.fulfill(json={"messages": STORED}))
        page.evaluate("location.hash = 'long'")
        expect(page.locator("article").last.locator("strong")).to_be_visible()
        assert page.locator("article .source").count() > TURNS
        expect(page.locator("#to-end")).to_be_hidden()
        page.locator("#transcript").evaluate("element => element.scrollTo(0, 0)")
        expect(page.locator("article").first.locator("strong").first).to_be_visible()
        page.locator("#to-end").click()
        expect(page.locator("article").last).to_be_in_viewport()
        expect(page.locator("#to-end")).to_be_hidden()
