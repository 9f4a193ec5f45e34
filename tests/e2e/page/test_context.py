"""How full the context is, as one types, and what can be done when it is full."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import answered, ask, page_of
from tests.e2e.page.scripted import TOKENIZE, Body, answering, counting, remembering, stream, too_long, words_of
from tests.e2e.page.test_everyone import check
from tests.harness import Hearth

LIMIT = 80
NARROW = (320, 640)
TURN = "one two three four five six seven"


def converse(page: Page, turns: int) -> list[Body]:
    """Ask and answer; return the list that gets the bodies."""
    asked = answering(page, lambda body: stream(TURN) if words_of(body) < LIMIT else too_long(LIMIT))
    for turn in range(turns):
        ask(page, f"Question {turn} {TURN}")
        answered(page, 2 * turn + 1)
    return asked


def said(body: Body) -> list[str]:
    return [message["content"] for message in body["messages"]]


def test_what_is_typed_is_counted_when_its_writer_pauses(alone_page: Page) -> None:
    page, asked = alone_page, counting(alone_page, LIMIT)
    expect(page.locator("#context")).to_be_hidden()
    page.keyboard.type("what a key costs")
    expect(page.locator("#context")).to_have_text(f"7 of {LIMIT} tokens")
    assert asked == [
        {"messages": [{"role": "user", "content": "."}]},
        {"prompt": "what a key costs", "add_special_tokens": False},
    ]
    page.keyboard.type(" here")
    expect(page.locator("#context")).to_have_text(f"8 of {LIMIT} tokens")
    assert len(asked) == 3, "the conversation is counted once for each turn"
    expect(page.locator("#context meter")).to_have_attribute("value", "8")
    page.locator("#prompt").fill("")
    converse(page, 1)
    expect(page.locator("#context")).to_have_text(f"25 of {LIMIT} tokens")


def test_a_count_is_aborted_when_another_key_is_pressed(alone_page: Page) -> None:
    page = alone_page
    held: list[Route] = []
    page.route(TOKENIZE, lambda route: held.append(route))
    with page.expect_request(TOKENIZE):
        page.keyboard.type("a")
    with page.expect_event("requestfailed") as ended:
        page.keyboard.type("b")
    assert ended.value.url.endswith("/tokenize")


@pytest.mark.parametrize("status", [404, 405])
def test_an_older_server_is_asked_once(alone_page: Page, status: int) -> None:
    page = alone_page
    asked: list[Route] = []

    def refuse(route: Route) -> None:
        asked.append(route)
        route.fulfill(status=status, json={"error": {"message": "There is no such page.", "code": None}})

    page.route(TOKENIZE, refuse)
    with page.expect_response(TOKENIZE):
        page.keyboard.type("a")
    page.wait_for_timeout(200)
    page.keyboard.type("b")
    page.wait_for_timeout(1000)
    assert len(asked) == 1
    expect(page.locator("#context")).to_be_hidden()


def test_a_conversation_of_megabytes_is_not_sent_to_be_counted(alone_page: Page) -> None:
    page, asked = alone_page, counting(alone_page, LIMIT)
    page.keyboard.type("a")
    expect(page.locator("#context")).to_have_text(f"4 of {LIMIT} tokens")
    messages = [{"role": role, "content": "word " * 50_000} for role in ("user", "assistant") * 3]
    remembering(page, [{"conversation_id": "long", "messages": messages[:-1]}], "word " * 50_000)
    page.evaluate("location.hash = 'long'")
    page.locator("#prompt").fill("a")
    expect(page.locator("#context")).to_have_text(f"more than {LIMIT} tokens")
    assert all(len(json.dumps(body)) < 1000 for body in asked)


def test_before_the_send_fails_the_oldest_turns_can_be_left_out(alone_page: Page) -> None:
    page = alone_page
    counting(page, LIMIT)
    asked = converse(page, 3)
    expect(page.locator("#full")).to_be_hidden()
    page.locator("#prompt").press_sequentially("and now a little more text than")
    expect(page.locator("#full")).to_contain_text("The context is nearly full.")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Leave out the oldest turns").click()
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator("#full")).to_be_hidden()
    expect(page.locator("#prompt")).to_have_value("and now a little more text than")
    page.locator("#prompt").press("Enter")
    answered(page, 3)
    assert said(asked[-1]) == [f"Question 2 {TURN}", TURN, "and now a little more text than"]
    assert asked[-1]["conversation_id"] != asked[0]["conversation_id"], "the longer version stays"


def test_after_a_refusal_the_question_is_asked_again(alone_page: Page) -> None:
    page = alone_page
    counting(page, LIMIT)
    asked = converse(page, 3)
    ask(page, f"Last {TURN} {TURN}")
    expect(page.get_by_role("alert")).to_contain_text("maximum context length")
    expect(page.locator("#full")).to_contain_text("The conversation is too long for the context.")
    page.get_by_role("button", name="Leave out the oldest turns").click()
    expect(page.locator("article")).to_have_count(4)
    answered(page, 3)
    assert said(asked[-1]) == [f"Question 2 {TURN}", TURN, f"Last {TURN} {TURN}"]
    expect(page.locator("#full")).to_be_hidden()


def test_a_message_that_is_too_long_alone_is_told(alone_page: Page) -> None:
    page = alone_page
    counting(page, LIMIT)
    converse(page, 1)
    ask(page, TURN * 20)
    page.get_by_role("button", name="Leave out the oldest turns").click()
    expect(page.locator("#full")).to_contain_text("The message alone is too long for the context: shorten it.")
    page.get_by_role("button", name="Begin a new conversation").click()
    expect(page.locator("article.user")).to_have_count(1)


def test_in_chinese_and_on_a_narrow_phone(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, NARROW, language="zh-CN") as page:
        counting(page, LIMIT)
        converse(page, 3)
        page.locator("#prompt").press_sequentially("and now a little more text than")
        expect(page.locator("#full")).to_contain_text("上下文快满了。")
        expect(page.locator("#context")).to_be_visible()
        check(page, "context")


def test_the_count_is_the_engines_and_a_summary_the_models(page: Page, hearth: Hearth) -> None:
    text = "How do I restart the web tier? " * 24
    items = [{"type": "message", "role": role, "content": text} for _ in range(5) for role in ("user", "assistant")]
    stored = hearth.post("/v1/conversations", {"items": items}).json()["id"]
    messages = [{"role": item["role"], "content": item["content"]} for item in items]
    question = [*messages, {"role": "user", "content": "Who are you?"}]
    count = hearth.post("/tokenize", {"messages": question}).json()["count"]
    assert 0.9 * 2048 < count < 2048
    page.evaluate("id => location.hash = id", stored)
    page.locator("#prompt").fill("Who are you?")
    expect(page.locator("#context")).to_have_text(f"{count} of 2048 tokens")
    page.get_by_role("button", name="Summarise the oldest turns").click()
    expect(page.locator("article").first).to_contain_text("Summarise our conversation so far")
    page.locator("#prompt").press("Enter")
    expect(page.locator("article.user").last).to_contain_text("Who are you?")
    expect(page.locator("article").last.locator(".actions")).to_be_visible()
    assert 4 <= page.locator("article").count() <= 8
