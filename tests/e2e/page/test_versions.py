"""Versions where they differ, answers that are continued, and two answers side by side."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, expect

from tests.browser import PHONE, answered, ask, page_of
from tests.e2e.page.scripted import Body, answering, remembering, stream
from tests.e2e.page.test_everyone import check
from tests.harness import Hearth

ANSWER = "An answer of some words"


def arrows(page: Page) -> dict[str, str]:
    """Return what stands between the arrows, by the index of the message."""
    found = page.locator(".versions").all()
    return {one.locator("xpath=..").get_attribute("data-index") or "": one.text_content() or "" for one in found}


def step(page: Page, index: int, name: str) -> None:
    page.locator(f'article[data-index="{index}"]').get_by_label(name).click()


def edit(page: Page, index: int, text: str) -> None:
    page.locator(f'article[data-index="{index}"]').get_by_role("button", name="Edit").click()
    page.get_by_label("Edit the message").fill(text)
    page.keyboard.press("Enter")


def test_arrows_are_at_the_message_that_differs(alone_page: Page) -> None:
    page = alone_page
    asked = answering(page, lambda body: stream(ANSWER))
    remembering(page, asked, ANSWER)
    for turn in range(2):
        ask(page, f"Question {turn}")
        answered(page, 2 * turn + 1)
    assert arrows(page) == {}
    page.locator("article").last.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".versions")).to_have_text("‹2 of 2›")
    assert arrows(page) == {"3": "‹2 of 2›"}
    edit(page, 0, "Another question")
    expect(page.locator('article[data-index="0"] .versions')).to_have_text("‹2 of 2›")
    expect(page.locator("article")).to_have_count(2)
    assert arrows(page) == {"0": "‹2 of 2›"}
    step(page, 0, "Previous version")
    expect(page.locator("article")).to_have_count(4)
    expect(page.locator('article[data-index="0"]')).to_be_focused()
    assert arrows(page) == {"0": "‹1 of 2›", "3": "‹2 of 2›"}
    step(page, 3, "Previous version")
    expect(page.locator('article[data-index="3"] .versions')).to_have_text("‹1 of 2›")
    assert arrows(page) == {"0": "‹1 of 2›", "3": "‹1 of 2›"}
    page.reload()
    expect(page.locator(".versions")).to_have_count(2)
    assert arrows(page) == {"0": "‹1 of 2›", "3": "‹1 of 2›"}
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


@pytest.mark.parametrize("rubbish", [{}, {"from": "b", "at": "x"}, {"from": 7, "at": -1}, {"from": "a", "at": 1e9}])
def test_where_nothing_is_known_the_arrows_are_at_the_first_message(alone_page: Page, rubbish: Body) -> None:
    """A list of an older page, or one that is not ours. Versions may name each other."""
    page = alone_page
    remembering(page, [{"conversation_id": name, "messages": [{"role": "user", "content": name}]} for name in "ab"])
    kept = [{"id": name, "root": "a", "title": name, "created": at, "updated": at} for at, name in enumerate("ab")]
    text = json.dumps([kept[0] | {"from": "b", "at": 0}, kept[1] | rubbish])
    page.evaluate("kept => localStorage.setItem('hearth.conversations', kept)", text)
    page.evaluate("location.hash = 'a'")
    page.reload()
    expect(page.locator(".versions")).to_have_text("‹1 of 2›")
    page.get_by_label("Next version").click()
    expect(page.locator("article.user .text")).to_have_text("b")


def test_an_answer_that_was_cut_is_continued(alone_page: Page) -> None:
    page = alone_page

    def reply(body: Body) -> str:
        return (
            stream(" and its rest") if body.get("continue_final_message") else stream("Its begin \n", finish="length")
        )

    asked = answering(page, reply)
    remembering(page, asked, "Its begin")
    ask(page, "Question")
    answered(page)
    page.reload()
    page.locator("article.assistant").get_by_role("button", name="Continue").click()
    expect(page.locator("article.assistant .text")).to_have_text("Its begin and its rest")
    expect(page.locator("article.assistant .actions")).to_contain_text("Retry")
    expect(page.get_by_role("button", name="Continue")).to_have_count(0)
    ask(page, "Another question")
    expect(page.get_by_role("button", name="Continue")).to_have_count(1)
    ask(page, "A third one")
    expect(page.locator("article")).to_have_count(6)
    expect(page.get_by_role("button", name="Continue")).to_have_count(1)  # only the last answer can be continued
    assert asked[1]["messages"] == [
        {"role": "user", "content": "Question"},
        {"role": "assistant", "content": "Its begin"},
    ]
    assert asked[1]["add_generation_prompt"] is False
    assert asked[1]["conversation_id"] == asked[0]["conversation_id"]


def pair(page: Page, *answers: str) -> tuple[list[Body], Locator]:
    """Ask for two answers; return the list that gets the bodies, and the texts."""
    asked = answering(page, lambda body: stream(*answers) if body.get("n") == 2 else stream(ANSWER))
    page.locator("#pair").click()
    ask(page, "Question")
    answered(page)
    return asked, page.locator("article.assistant .text")


def test_two_answers_stream_side_by_side_and_one_is_chosen(alone_page: Page) -> None:
    page = alone_page
    asked, texts = pair(page, "The first answer", "The second answer")
    stored = remembering(page, asked, "The first answer")
    assert asked[0]["n"] == 2
    assert asked[0]["stream"] is True
    first, second = (text.bounding_box() for text in texts.all())
    assert first is not None
    assert second is not None
    assert abs(first["y"] - second["y"]) < 2
    assert first["x"] + first["width"] <= second["x"]
    expect(page.locator(".versions")).to_have_text("‹1 of 2›")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.get_by_role("button", name="Go on with this answer").last.click()
    expect(texts).to_have_text("The second answer")
    expect(page.locator(".versions")).to_have_text("‹2 of 2›")
    page.locator("#pair").click()
    ask(page, "And now?")
    answered(page, 3)
    assert asked[1]["messages"][1] == {"role": "assistant", "content": "The second answer"}
    assert "n" not in asked[1]
    assert asked[1]["conversation_id"] != asked[0]["conversation_id"]
    assert all(len(items) == 2 for items in stored.values())
    step(page, 1, "Previous version")
    expect(texts).to_have_text("The first answer")


def test_where_the_other_answer_cannot_be_stored_it_can_be_chosen(alone_page: Page) -> None:
    page = alone_page
    page.route("**/v1/conversations", lambda route: route.fulfill(status=503, json={"error": {"message": "No."}}))
    asked, texts = pair(page, "The first answer", "<b>The second</b>")
    page.get_by_role("button", name="Go on with this answer").last.click()
    expect(texts).to_have_text("<b>The second</b>")
    page.locator("#pair").click()
    ask(page, "And now?")
    answered(page, 3)
    assert asked[1]["messages"][1] == {"role": "assistant", "content": "<b>The second</b>"}


def test_of_two_answers_that_call_functions_the_first_goes_on(alone_page: Page) -> None:
    page = alone_page
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "now", "arguments": "{}"}}
    events = [{"choices": [{"index": index, "delta": {"tool_calls": [call]}}]} for index in range(2)]
    body = "".join(f"data: {event}\n\n" for event in [*map(json.dumps, events), "[DONE]"])
    asked = answering(page, lambda _: body)
    stored = remembering(page, asked)
    page.locator("#pair").click()
    ask(page, "Question")
    expect(page.get_by_role("button", name="Send the result")).to_be_visible()
    expect(page.locator("article.assistant").get_by_role("button", name="Retry", exact=True)).to_be_visible()
    expect(page.get_by_role("button", name="Go on with this answer")).to_have_count(0)
    assert stored == {}, "the calls would be lost"


def test_two_answers_on_a_phone_in_chinese(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, PHONE, language="zh-CN") as page:
        _, texts = pair(page, "First " * 50, "Second " * 50)
        first, second = (text.bounding_box() for text in texts.all())
        assert first is not None
        assert second is not None
        assert first["y"] + first["height"] <= second["y"], "one below the other"
        expect(page.get_by_role("button", name="用这个回答继续")).to_have_count(2)
        check(page, "versions")


def test_the_model_goes_on_where_its_limit_was_and_where_it_was_stopped(page: Page, hearth: Hearth) -> None:
    page.evaluate("localStorage.setItem('hearth.fields', JSON.stringify({ max_tokens: 12, temperature: 0 }))")
    page.reload()
    ask(page, "Count from 1 to 100.")
    begin = answered(page)
    page.get_by_role("button", name="Reset max_tokens").first.click()
    page.get_by_role("button", name="Continue").click()
    expect(page.locator("article.assistant .actions")).to_be_visible()
    whole = answered(page)
    assert whole.startswith(begin)
    assert len(whole) > len(begin) + 20
    conversation = page.evaluate("location.hash").removeprefix("#")
    messages = hearth.get(f"/v1/conversations/{conversation}").json()["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"]
    assert messages[1]["content"].split() == whole.split()
    page.locator("#pair").click()
    ask(page, "Who are you?")
    answered(page, 3)
    expect(page.get_by_role("button", name="Go on with this answer")).to_have_count(2)
    expect(page.locator(".versions")).to_have_count(1)
    page.get_by_role("button", name="Go on with this answer").last.click()
    page.reload()
    expect(page.locator("article")).to_have_count(4)
    expect(page.locator(".versions")).to_have_text("‹2 of 2›")
