"""The page at /status, and how it keeps up."""

import re

import pytest
from playwright.sync_api import Browser, expect

from tests.browser import page_of
from tests.engine_proc.adapter.test_histograms import BOUNDS, QUANTILES
from tests.harness import Hearth, chat_body, until


def test_it_shows_both_tiers_and_keeps_up(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, path="/status") as page:
        expect(page.locator("#state")).to_have_text("The engine is ready")
        for words in ("hearth-demo", "2048 tokens", "vllm 0.", str(hearth.welcome().pid)):
            expect(page.locator("#engine")).to_contain_text(words)
        pids = {int(text) for text in page.locator("#workers td:first-child").all_inner_texts()}
        assert pids == {worker.pid for worker in hearth.workers()}
        expect(page.locator("#workers td").nth(2)).to_have_text(re.compile(r"^\d+ MiB$"))
        before = page.locator("#plots figure").first.get_by_role("img").get_attribute("aria-label")
        assert before is not None
        for _ in range(5):
            hearth.post("/v1/chat/completions", chat_body("Who are you?", n=8, max_tokens=100, ignore_eos=True))
        expect(page.locator("#plots figure").first.locator("polyline")).to_have_attribute(
            "points", re.compile(r",4\.0"), timeout=10_000
        )
        expect(page.locator("#histograms figure")).to_have_count(2)
        expect(page.locator("#histograms figure b").first).to_have_text(re.compile(r"^p50 [\d.]+ m?s, p99 [\d.]+ m?s$"))
        assert page.locator("#histograms rect").count() > 4


def test_its_quantiles_are_those_of_the_command_line(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/status") as page:
        found = page.evaluate(
            """async ([bounds, cases]) => {
              const { quantile } = await import("/page/status/quantile.js");
              return cases.map(([counts, share]) => quantile({ bounds, counts }, share));
            }""",
            [BOUNDS, [(counts, share) for counts, share, _ in QUANTILES]],
        )
        assert found == [None if value is None else pytest.approx(value) for _, _, value in QUANTILES]


def test_it_follows_a_reload_of_the_web_tier(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, path="/status") as page:
        expect(page.locator("#workers tr")).to_have_count(2)
        before = {worker.pid for worker in hearth.workers()}
        assert hearth.web is not None
        hearth.web.send_signal(1)
        until(lambda: not before & {worker.pid for worker in hearth.workers()}, 30, "the workers are new")
        now = sorted(str(worker.pid) for worker in hearth.workers())
        expect(page.locator("#workers td:first-child")).to_have_text(now)


def test_it_says_that_it_is_offline(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, path="/status") as page:
        expect(page.locator("#state")).to_have_text("The engine is ready")
        page.context.set_offline(True)
        expect(page.locator("#state")).to_have_text("The server cannot be reached")
        page.context.set_offline(False)
        expect(page.locator("#state")).to_have_text("The engine is ready")


def test_on_a_phone_nothing_is_wider_than_it(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, (360, 740), path="/status") as page:
        expect(page.locator("#workers tr")).to_have_count(2)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
