"""A browser whose clock is hours or days apart from the server's. No engine is needed."""

import json
import time
from datetime import datetime, timedelta

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import answered, ask, page_of
from tests.e2e.page.scripted import answering, remembering, stream
from tests.harness import Hearth, until

APART = [timedelta(days=3), timedelta(hours=-7)]
NEAR = 60.0
"""Seconds."""

SET_MEANWHILE = """() => {
  const now = Date.now, json = Response.prototype.json;
  let ahead = 0;
  window.looks = 0;
  Date.now = () => now() + ahead;
  Response.prototype.json = async function () {
    const body = await json.call(this);
    ahead = 3 * 86400_000;
    if (this.url.endsWith("/status.json")) looks++;
    return body;
  };
}"""
"""Sets the browser's clock ahead when the head of its first answer has come, but not yet the body."""


def set_clock(page: Page, apart: timedelta) -> None:
    """Set the browser's clock so far from the server's, and load the page again."""
    page.clock.install(time=datetime.now() + apart)
    page.reload()


def shown(page: Page, selector: str) -> list[float]:
    """The times that are shown, in Unix seconds."""
    found: list[float] = page.locator(selector).evaluate_all(
        "all => all.map((one) => Date.parse(one.innerText) / 1000)"
    )
    return found


@pytest.mark.parametrize("apart", APART, ids=str)
def test_the_time_line_has_the_servers_times(browser: Browser, alone: Hearth, apart: timedelta) -> None:
    with page_of(browser, alone.url, path="/status") as page:
        set_clock(page, apart)
        page.evaluate("localStorage.removeItem('hearth.events')")
        page.reload()
        assert abs(page.evaluate("Date.now()") / 1000 - time.time() - apart.total_seconds()) < NEAR
        workers = alone.workers()
        expect(page.locator("#events li.web")).to_have_count(len(workers))
        began = sorted(worker.create_time() for worker in workers)
        assert sorted(shown(page, "#events li.web time")) == pytest.approx(began, abs=3)
        expect(page.locator("#line rect")).to_have_count(sum(time.time() - each < 3600 for each in began))
        page.clock.set_system_time(datetime.now())
        page.reload()
        expect(page.locator("#workers tr")).to_have_count(len(workers))
        expect(page.locator("#events li.web")).to_have_count(len(workers))


def test_a_clock_that_is_set_while_an_answer_arrives_changes_no_time(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/health") as page:
        page.add_init_script(f"({SET_MEANWHILE})()")
        page.goto("/status")
        until(lambda: page.evaluate("looks") > 2, 30, "the page has looked three times")
        assert page.evaluate("Date.now()") / 1000 - time.time() > NEAR
        workers = alone.workers()
        began = sorted(worker.create_time() for worker in workers)
        assert sorted(shown(page, "#events li.web time")) == pytest.approx(began, abs=3)


@pytest.mark.parametrize("apart", APART, ids=str)
def test_batches_have_the_servers_times(browser: Browser, alone: Hearth, apart: timedelta) -> None:
    client = alone.openai()
    line = {"custom_id": "l", "method": "POST", "url": "/v1/chat/completions", "body": {"messages": []}}
    given = client.files.create(file=("in.jsonl", json.dumps(line).encode()), purpose="batch")
    made = client.batches.create(input_file_id=given.id, endpoint="/v1/chat/completions", completion_window="24h")
    with page_of(browser, alone.url, path="/status") as page:
        set_clock(page, apart)
        expect(page.locator("#batches tr").first).to_contain_text(made.id)
        assert shown(page, "#batches tr:first-child td:nth-child(2)") == [made.created_at]
    client.batches.cancel(made.id)


@pytest.mark.parametrize("apart", APART, ids=str)
def test_the_conversation_used_last_comes_first(alone_page: Page, apart: timedelta) -> None:
    page = alone_page
    asked = answering(page, lambda body: stream("An answer"))
    remembering(page, asked, "An answer")
    set_clock(page, apart)
    expect(page.locator("#engine")).to_have_text("engine unreachable")
    ask(page, "The first")
    answered(page)
    kept = json.loads(page.evaluate("localStorage.getItem('hearth.conversations')"))
    assert [each["updated"] / 1000 for each in kept] == pytest.approx([time.time()], abs=NEAR)
    page.clock.set_system_time(datetime.now())
    page.reload()
    page.locator("#new").click()
    ask(page, "The second")
    answered(page)
    expect(page.locator("#conversations a")).to_have_text(["The second", "The first"])


def test_an_entry_from_the_future_does_not_stay_the_first(alone_page: Page) -> None:
    page = alone_page
    answering(page, lambda body: stream("An answer"))
    later = (time.time() + 30 * 86400) * 1000
    kept = [{"id": "c1", "root": "c1", "title": "Of the future", "created": later, "updated": later}]
    page.evaluate("kept => localStorage.setItem('hearth.conversations', kept)", json.dumps(kept))
    page.reload()
    ask(page, "Of today")
    answered(page)
    expect(page.locator("#conversations a")).to_have_text(["Of today", "Of the future"])
