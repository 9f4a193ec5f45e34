"""The status page for operators: requests that they end, batches, and what has happened."""

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, page_of
from tests.fake_engine import FakeEngine
from tests.harness import Hearth, endless, until
from tests.webapp.jobs.test_streams import Slow

LINES = [
    {"custom_id": f"l{number}", "method": "POST", "url": "/v1/chat/completions", "body": body}
    for number, body in enumerate(
        ({"messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2}, {"messages": 5, "max_tokens": 2})
    )
]


@pytest.fixture(scope="module")
def operated(running: Hearth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """A second web tier of the same engine, with an admin key."""
    run_dir: Path = tmp_path_factory.mktemp("operated")
    endpoint = f"ipc://{running.run_dir}/engine.sock"
    stack = Hearth(run_dir, HEARTH_ADMIN_KEY="root", HEARTH_ENGINE_ENDPOINT=endpoint, HEARTH_ENGINE_SPAWN="0")
    stack.start_web()
    yield stack
    stack.stop_web()


def unlock(page: Page, key: str) -> None:
    page.locator("#admin-key").fill(key)
    page.keyboard.press("Enter")


def test_an_operator_ends_a_request_of_any_worker(browser: Browser, operated: Hearth, hearth: Hearth) -> None:
    with (
        page_of(browser, operated.url, path="/status") as page,
        hearth.stream("/v1/chat/completions", endless()) as other,
    ):
        lines = other.iter_lines()
        next(lines)
        expect(page.locator("#requests-table")).to_be_hidden()
        expect(page.locator("#background")).to_be_hidden()
        unlock(page, "wrong")
        expect(page.locator("#requests-note")).to_have_text("This is not the admin key.")
        unlock(page, "root")
        expect(page.locator("#requests tr")).to_have_count(1)
        expect(page.locator("#requests-note")).to_have_text("1 requests")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        page.locator("#requests button").click()
        expect(page.locator("#requests tr")).to_have_count(0)
        assert "ended_by_operator" in "".join(lines)
        until(lambda: hearth.live() == 0, 10, "the engine has ended it")


def test_without_an_admin_key_it_says_so(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/status") as page:
        unlock(page, "root")
        expect(page.locator("#requests-note")).to_contain_text("HEARTH_ADMIN_KEY")
        expect(page.locator("#requests-table")).to_be_hidden()


def test_an_operator_sees_how_far_background_answers_are_and_ends_one(browser: Browser, tmp_path: Path) -> None:
    """Of an engine that says what the test tells it, with one worker that has one job at a time."""
    settings = {"HEARTH_ADMIN_KEY": "root", "HEARTH_JOBS_AT_ONCE": "1", "WEB_CONCURRENCY": "1"}
    with FakeEngine(tmp_path) as engine:
        slow = Slow(engine)
        stack = Hearth(tmp_path, HEARTH_ENGINE_ENDPOINT=engine.endpoint, HEARTH_ENGINE_SPAWN="0", **settings)
        stack.start_web()
        try:
            until(lambda: stack.get("/ready").status_code == 200, 30, "the worker has the engine")
            with page_of(browser, stack.url, path="/status") as page:
                unlock(page, "root")
                expect(page.locator("#jobs-note")).to_have_text("0 background answers")
                expect(page.locator("#jobs-table")).to_be_hidden()
                names = [
                    stack.post("/v1/responses", {"input": "Hello", "background": True}).json()["id"] for _ in range(2)
                ]
                rows = page.locator("#jobs tr")
                expect(rows).to_contain_text(names)
                expect(page.locator("#jobs-note")).to_have_text("2 background answers")
                expect(rows.locator("td:nth-child(2)")).to_have_text(["in progress", "queued"])
                expect(rows.locator("td:nth-child(3)")).to_have_text(["1", "0"])
                slow.say("two")
                expect(rows.locator("td:nth-child(3)")).to_have_text(["2", "0"])
                expect(rows.locator("td:first-child")).to_have_text([re.compile(r"^\d+ s$")] * 2)
                found = Axe().run(page)
                assert found.violations_count == 0, found.generate_report()
                page.get_by_label(f"End {names[0]}").click()
                expect(rows).to_have_count(1)
                expect(rows).to_contain_text(names[1])
                expect(rows.locator("td:nth-child(2)")).to_have_text("in progress")
                responses = stack.openai().responses
                assert responses.retrieve(names[0]).status == "cancelled"
                slow.say("two", "stop")
                expect(page.locator("#jobs-note")).to_have_text("0 background answers")
                expect(page.locator("#jobs-table")).to_be_hidden()
                assert responses.retrieve(names[1]).status == "completed"
        finally:
            stack.stop_web()


def test_batches_have_a_progress_and_results(browser: Browser, operated: Hearth) -> None:
    content = "".join(json.dumps(line) + "\n" for line in LINES)
    client = operated.openai()
    given = client.files.create(file=("in.jsonl", content.encode()), purpose="batch")
    with page_of(browser, operated.url, path="/status") as page:
        expect(page.locator("#batches-note")).to_have_text("There are no batches.")
        made = client.batches.create(input_file_id=given.id, endpoint="/v1/chat/completions", completion_window="24h")
        row = page.locator("#batches tr", has_text=made.id)
        expect(row).to_contain_text("completed")
        expect(row).to_contain_text("1 of 2, 1 failed")
        assert row.locator("progress").evaluate("bar => bar.value / bar.max") == 1
        with page.expect_download() as download:
            page.get_by_label(f"Results of {made.id}").click()
        assert '"custom_id":"l0"' in download.value.path().read_text().replace('": "', '":"')
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()


def test_a_batch_is_cancelled(browser: Browser, alone: Hearth) -> None:
    """No engine runs, so that it waits."""
    client = alone.openai()
    given = client.files.create(file=("in.jsonl", json.dumps(LINES[0]).encode()), purpose="batch")
    made = client.batches.create(input_file_id=given.id, endpoint="/v1/chat/completions", completion_window="24h")
    with page_of(browser, alone.url, PHONE, path="/status") as page:
        page.get_by_label(f"Cancel {made.id}").click()
        expect(page.locator("#batches tr", has_text=made.id)).to_contain_text("cancelled")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_what_has_happened_is_on_the_time_line(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/status") as page:
        pids = {str(worker.pid) for worker in alone.workers()}
        expect(page.locator("#events li.web")).to_have_count(len(pids))
        first = next(iter(alone.workers()))
        first.kill()
        expect(page.locator("#events li", has_text=f"Web worker {first.pid} ended")).to_have_count(1)
        expect(page.locator("#events li.web")).to_have_count(len(pids) + 1)
        page.reload()
        expect(page.locator("#events li", has_text=f"Web worker {first.pid} ended")).to_have_count(1)


@pytest.mark.parametrize("rubbish", ["{", "5", "[null, 7, {}]", '[{"at": "x", "text": 1}]'])
def test_what_a_browser_keeps_of_it_may_be_rubbish(browser: Browser, alone: Hearth, rubbish: str) -> None:
    with page_of(browser, alone.url, path="/status") as page:
        page.evaluate("kept => localStorage.setItem('hearth.events', kept)", rubbish)
        page.reload()
        expect(page.locator("#events li").first).to_contain_text("Web worker")
