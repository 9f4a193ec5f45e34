"""What a reader types before the page's scripts run: it stays, and is sent where the reader wanted that."""

from collections.abc import Iterator
from contextlib import contextmanager
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import answered, ask, page_of
from tests.e2e.page.test_inputs import file
from tests.harness import Hearth

SCRIPT = "**/chat/chat.js"


@contextmanager
def scripts_wait(page: Page, url: str) -> Iterator[None]:
    """`page` has begun to load `url`; its modules run when the block ends."""
    held: list[Route] = []
    page.route(SCRIPT, lambda route: held.append(route))  # it cannot mark a built-in function
    page.goto("about:blank")  # `url` may be another conversation of the same page
    with page.expect_request(SCRIPT):
        page.goto(url, wait_until="commit")
    expect(page.locator("#prompt")).to_be_focused()
    yield
    held[0].continue_()
    expect(page.locator("#composer[data-early]")).to_have_count(0)
    page.unroute(SCRIPT)


@pytest.fixture
def early(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url, path="/health") as page:
        yield page


@pytest.mark.parametrize("press", ["Enter", "the button"])
@pytest.mark.parametrize("language", ["en-US", "zh-CN"])
def test_a_question_is_sent_once_the_scripts_run(browser: Browser, hearth: Hearth, press: str, language: str) -> None:
    with page_of(browser, hearth.url, path="/health", language=language) as page:
        with scripts_wait(page, f"{hearth.url}/"):
            page.keyboard.type("Who are")
            page.keyboard.press("Shift+Enter")
            page.keyboard.type("you?")
            page.keyboard.press("Enter") if press == "Enter" else page.locator("#send").click()
            assert page.locator("#prompt").input_value() == "Who are\nyou?"
        assert answered(page)
        assert page.locator("article.user .text").inner_text().split() == ["Who", "are", "you?"]
        expect(page.locator("#prompt")).to_have_value("")
        expect(page.locator("article")).to_have_count(2)
        assert urlsplit(page.url).query == "", "the form was sent as a browser does"


def test_what_is_typed_stays_and_is_kept_as_a_draft(early: Page, alone: Hearth) -> None:
    with scripts_wait(early, f"{alone.url}/"):
        early.keyboard.type("half a ques")
    early.keyboard.type("tion")
    expect(early.locator("#prompt")).to_have_value("half a question")
    expect(early.locator("article")).to_have_count(0)
    early.reload()
    expect(early.locator("#prompt")).to_have_value("half a question")


def test_it_goes_on_after_a_draft_that_was_not_seen(early: Page, alone: Hearth) -> None:
    early.goto("/")
    early.locator("#prompt").fill("kept, ")
    with scripts_wait(early, f"{alone.url}/"):
        early.keyboard.type("typed")
        early.keyboard.press("Enter")
    expect(early.locator("#prompt")).to_have_value("kept, typed")
    expect(early.locator("article")).to_have_count(0)
    early.reload()
    expect(early.locator("#prompt")).to_have_value("kept, typed")


def test_files_that_were_not_seen_are_not_sent(early: Page, alone: Hearth) -> None:
    early.goto("/")
    early.locator("#files").set_input_files(file("a.txt", b"a"))
    expect(early.locator("#attached li")).to_have_count(1)
    with scripts_wait(early, f"{alone.url}/"):
        early.keyboard.type("typed")
        early.keyboard.press("Enter")
    expect(early.locator("#prompt")).to_have_value("typed")
    expect(early.locator("#attached li")).to_have_count(1)
    expect(early.locator("article")).to_have_count(0)


def test_nothing_is_sent_where_nothing_is_typed(early: Page, alone: Hearth) -> None:
    with scripts_wait(early, f"{alone.url}/"):
        early.keyboard.press("Enter")
    expect(early.locator("#prompt")).to_have_value("")
    expect(early.locator(".empty button")).to_have_count(3)


def test_it_is_of_the_conversation_that_is_opened(page: Page) -> None:
    ask(page, "Who are you?")
    answered(page)
    with scripts_wait(page, page.url):
        page.keyboard.type("How do I restart the web tier?")
        page.keyboard.press("Enter")
    answered(page, 3)
    assert "restart" in page.locator('article[data-index="2"] .text').inner_text()


def test_it_is_not_sent_where_the_conversation_is_gone(early: Page, alone: Hearth) -> None:
    with scripts_wait(early, f"{alone.url}/#gone"):
        early.keyboard.type("And then?")
        early.keyboard.press("Enter")
    expect(early.locator("#transcript [role=alert]")).to_be_visible()
    expect(early.locator("#prompt")).to_have_value("And then?")


def test_what_needs_a_script_is_inert_until_then(early: Page, alone: Hearth) -> None:
    with scripts_wait(early, f"{alone.url}/"):
        early.keyboard.press("Tab")
        expect(early.locator("#send")).to_be_focused()
        for name in ("#show-fields", "#new", "#attach", "#pair", "#language"):
            assert early.locator(name).evaluate("one => Boolean(one.closest('[inert]'))"), name
    expect(early.locator("[inert]")).to_have_count(0)
