"""How the messages of a conversation are shown, with answers that a test has written instead of a model."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import answered, ask, page_of
from tests.e2e.page.markdown import EVERYTHING
from tests.harness import Hearth


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        expect(found.locator("#engine")).to_have_text("engine unreachable")
        yield found


def answer(page: Page, text: str, *, scored: bool = False) -> None:
    """Let the next answers be `text`, in tokens of seven characters, or in two hundred."""
    size = max(7, len(text) // 200)
    tokens = [text[at : at + size] for at in range(0, len(text), size)]
    events = [json.dumps({"choices": [choice(token, scored)], "usage": None}) for token in tokens]
    body = "".join(f"data: {event}\n\n" for event in [*events, "[DONE]"])
    headers = {"Content-Type": "text/event-stream"}
    page.route("**/v1/chat/completions", lambda route: route.fulfill(body=body, headers=headers))


def choice(token: str, scored: bool) -> dict[str, Any]:
    logprobs = {"content": [{"token": token, "logprob": -0.1, "top_logprobs": []}]} if scored else None
    return {"index": 0, "delta": {"content": token}, "logprobs": logprobs, "finish_reason": None}


def test_an_answer_is_rendered_and_a_button_shows_its_source(page: Page) -> None:
    answer(page, EVERYTHING)
    ask(page, "Show me **everything**.\nIn two lines.")
    answered(page)
    for author, bold in (("user", "everything"), ("assistant", "bold")):
        article = page.locator(f"article.{author}")
        expect(article.locator("strong")).to_have_text(bold)
        article.get_by_role("button", name="Source").click()
        expect(article.locator("strong")).to_have_count(0)
        expect(article.locator(".body > .text")).to_contain_text(f"**{bold}**")
        expect(article.get_by_role("button", name="Source")).to_have_attribute("aria-pressed", "true")
        article.get_by_role("button", name="Source").click()
        expect(article.locator("strong")).to_have_text(bold)
    assert page.locator("article.user .body").inner_text() == "Show me everything.\nIn two lines."
    page.locator("article.assistant").get_by_role("button", name="Copy", exact=True).last.click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == EVERYTHING
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


def test_tokens_with_probabilities_are_the_source(page: Page) -> None:
    answer(page, "Some **bold** words", scored=True)
    ask(page, "Hello")
    assert answered(page) == "Some **bold** words"
    expect(page.locator("article.assistant .token")).to_have_count(3)
    page.locator("article.assistant").get_by_role("button", name="Source").click()
    expect(page.locator("article.assistant strong")).to_have_text("bold")
    page.locator("article.assistant").get_by_role("button", name="Source").click()
    expect(page.locator("article.assistant .token")).to_have_count(3)


@pytest.mark.parametrize("text", ["x" * 250_000, "`a` " * 30_000], ids=["long", "many parts"])
def test_what_is_too_much_for_a_browser_is_shown_as_its_source(page: Page, text: str) -> None:
    answer(page, text)
    ask(page, "Hello")
    answered(page)
    expect(page.locator("article.assistant .source")).to_have_count(1)
    shown = page.locator("article.assistant .body > .text").text_content() or ""
    assert shown == text


def test_without_the_renderer_messages_are_their_source(page: Page) -> None:
    page.route("**/markdown/*", lambda route: route.abort())
    answer(page, "**bold**")
    ask(page, "Hello")
    assert answered(page) == "**bold**"
    page.unroute("**/markdown/*")
