"""What was said is found again: in the text of conversations that the server keeps. No engine is needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Request, Route, expect

from tests.browser import PHONE, page_of
from tests.e2e.page.test_everyone import check
from tests.harness import Hearth

FIRE = "\N{FIRE}" * 25
HOSTILE = f"<img src=x onerror=\"document.title='evil'\"> costs 3.50 (a+b)* {FIRE} Zürich 苏黎世 مرحبا"
TALKS = {
    "Mountains": [("system", "Zürich is secret"), ("user", "Hello"), ("assistant", "Hi"), ("user", HOSTILE)],
    "Rivers": [("user", "The Limmat flows through ZÜRICH."), ("assistant", "x" * 200_000)],
    "Lakes": [("user", "Nothing of it")],
}


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        keep(found, alone)
        yield found


def keep(page: Page, alone: Hearth) -> None:
    """Store `TALKS` on the server, and the list of them in the browser."""
    kept = []
    for number, (title, messages) in enumerate(TALKS.items()):
        items = [{"type": "message", "role": role, "content": text} for role, text in messages]
        stored = alone.post("/v1/conversations", {"items": items}).json()["id"]
        kept.append(entry(stored, title, number))
    show(page, [*kept, entry("gone", "Gone", 9)])


def entry(name: str, title: str, at: int) -> dict[str, Any]:
    return {"id": name, "root": name, "title": title, "created": at, "updated": at}


def show(page: Page, kept: list[dict[str, Any]]) -> None:
    page.evaluate("kept => localStorage.setItem('hearth.conversations', kept)", json.dumps(kept))
    page.reload()
    expect(page.locator("#conversations li")).to_have_count(len(kept))


def find(page: Page, text: str) -> Locator:
    """Look for `text`; return what was found in messages."""
    page.locator("#find").fill(text)
    return page.locator("#conversations a.hit")


def test_a_message_is_found_and_shown(page: Page) -> None:
    hits = find(page, "zürich")
    expect(hits).to_have_count(2)
    expect(page.locator("#found")).to_have_text("Found in the text of 2, of 4 searched")
    expect(hits.locator("mark")).to_have_text(["ZÜRICH", "Zürich"])
    expect(hits.first).to_have_text("The Limmat flows through ZÜRICH.")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    hits.last.click()
    expect(page.locator("article")).to_have_count(3)
    expect(page.locator('article[data-index="2"]')).to_be_focused()
    expect(page.locator('article[data-index="2"]')).to_be_in_viewport()
    assert page.title() == "Hearth"
    assert page.evaluate("location.hash") == hits.last.get_attribute("href")
    expect(find(page, "")).to_have_count(0)
    expect(page.locator("#conversations li")).to_have_count(4)
    expect(page.locator("#found")).to_be_hidden()


@pytest.mark.parametrize(
    ("text", "hits"), [("3.50 (a+b)*", 1), (".*", 0), ("苏黎", 1), ("<img", 1), ("مرحبا", 1), ("\\", 0)]
)
def test_every_character_stands_for_itself(page: Page, text: str, hits: int) -> None:
    found = find(page, text)
    expect(found).to_have_count(hits)
    if len(text) > 1:
        expect(page.locator("#found")).to_contain_text(f"Found in the text of {hits}")
    if hits:
        assert "\ufffd" not in found.inner_text().encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def test_a_title_is_enough(page: Page) -> None:
    find(page, "lak")
    expect(page.locator("#conversations li")).to_have_text(["Lakes☆✎×"])


def test_what_is_asked_of_the_server_is_bounded(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        held: list[Route] = []
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url) if is_read(request) else None)
        page.route("**/v1/conversations/*", lambda route: held.append(route))
        show(page, [entry(f"c{number}", f"Talk {number}", number) for number in range(300)])
        find(page, "needle")
        expect(page.locator("#found")).to_have_text("Searching … 0 of 200")
        page.wait_for_timeout(500)
        assert len(held) == 4
        assert held[0].request.url.endswith("/c299"), "the most recently used first"
        find(page, "another")
        page.wait_for_timeout(1000)
        assert len(asked) == 8, "the search before is given up"
        error = {"error": {"message": "The database has failed.", "code": "conversation_store_unavailable"}}
        page.route("**/v1/conversations/*", lambda route: route.fulfill(status=503, json=error))
        find(page, "third")
        expect(page.locator("#found")).to_have_text("The database has failed.")
        assert len(asked) <= 12, "a server that fails is not asked two hundred times"


def is_read(request: Request) -> bool:
    return request.method == "GET" and "/v1/conversations/" in request.url


def test_in_chinese_and_on_a_phone(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, PHONE, language="zh-CN") as page:
        keep(page, alone)
        page.locator("#show-shelf").click()
        hits = find(page, "Zürich")
        expect(page.locator("#found")).to_have_text("已搜索 4 段对话，其中 2 段的内容匹配")
        check(page, "search")
        hits.first.click()
        expect(page.locator("article").first).to_contain_text("Limmat")
        expect(page.locator("#shelf")).to_be_hidden()
