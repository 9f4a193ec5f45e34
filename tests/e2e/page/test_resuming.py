"""Nothing is lost: an answer goes on while its reader is elsewhere, and is there when the reader comes back."""

import re
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser import answered, ask, page_of
from tests.e2e.page.test_chat import bodies
from tests.harness import Hearth, until

COUNT = "Count from 1 to 100."
STOP_ALL = """() => Promise.all(
  Object.keys(localStorage).filter((name) => name.startsWith("hearth.turn.")).map((name) =>
    fetch(`/v1/streams/${localStorage.getItem(name).match(/chatcmpl-[0-9a-f]+/)}`, { method: "DELETE" })))"""


@pytest.fixture
def page(browser: Browser, hearth: Hearth) -> Iterator[Page]:
    """A window whose answers end only after some seconds, and are always the same."""
    with page_of(browser, hearth.url) as found:
        endless(found)
        yield found
        found.context.pages[0].evaluate(STOP_ALL)


def endless(page: Page, **fields: object) -> None:
    page.evaluate(
        "fields => localStorage.setItem('hearth.fields', JSON.stringify(fields))",
        {"ignore_eos": True, "temperature": 0, "max_tokens": 500, **fields},
    )
    page.reload()
    expect(page.locator("#model")).to_have_text("hearth-demo")


def begun(page: Page) -> None:
    """Ask, and wait until the answer has begun."""
    ask(page, COUNT)
    expect(page.locator("#figures")).to_contain_text("tokens/s")


def whole(page: Page) -> str:
    """The whole answer, and that it says how much it is."""
    text = answered(page)
    expect(page.locator("article.assistant .actions")).to_contain_text("500 out")
    return text.strip()


@pytest.fixture(scope="module")
def uninterrupted(browser: Browser, running: Hearth) -> str:
    """The text of the answer that nothing interrupts."""
    with page_of(browser, running.url) as page:
        endless(page)
        begun(page)
        return whole(page)


def test_a_reload(page: Page, uninterrupted: str) -> None:
    begun(page)
    page.reload()
    expect(page.locator("article.user .text")).to_have_text(COUNT)
    expect(page.locator("#stop")).to_be_visible()
    assert whole(page) == uninterrupted
    expect(page.locator("#conversations li")).to_have_count(1)
    page.reload()
    assert answered(page).strip() == uninterrupted, "the server has it"


def test_another_conversation_meanwhile(page: Page, uninterrupted: str) -> None:
    begun(page)
    page.locator("#new").click()
    expect(page.locator("#send")).to_be_visible()
    expect(page.locator("#conversations a")).to_have_text(COUNT)
    page.evaluate("localStorage.setItem('hearth.fields', '{}')")
    ask(page, "Who are you?")
    expect(page.locator("#conversations li")).to_have_count(2)
    page.locator("#conversations a", has_text=COUNT).click()
    expect(page.locator("article.user .text")).to_have_text(COUNT)
    assert whole(page) == uninterrupted
    page.locator("#conversations a", has_text="Who are you?").click()
    expect(page.locator("article.user .text")).to_have_text("Who are you?")
    answered(page)


def test_a_closed_tab_and_a_second_one_that_follows(page: Page, uninterrupted: str) -> None:
    endless(page, max_tokens=1500)  # until the second tab is there, on a slow host too
    begun(page)
    second = page.context.new_page()
    second.goto(page.url)
    expect(second.locator("article.assistant .text")).to_contain_text("1")
    expect(second.locator("#stop")).to_be_visible()
    page.close()
    followed = answered(second).strip()
    assert followed.startswith(uninterrupted)
    expect(second.locator("article.assistant .actions")).to_contain_text("1500 out")
    endless(second)
    third = page.context.new_page()
    third.goto(second.url)
    assert answered(third).strip() == followed, "the server has it"
    ask(third, COUNT)
    expect(second.locator("article.user")).to_have_count(2)
    expect(second.locator("#stop")).to_be_visible()
    second.keyboard.press("Escape")
    expect(second.locator('article[data-index="3"] .actions')).to_contain_text("Stopped.")
    expect(third.locator('article[data-index="3"] .actions')).to_contain_text("Stopped.")
    assert answered(third, 3).strip() == answered(second, 3).strip()


def test_another_network(page: Page, uninterrupted: str) -> None:
    begun(page)
    page.context.set_offline(True)
    expect(page.locator("#banner")).to_contain_text("The server cannot be reached")
    page.context.set_offline(False)
    assert whole(page) == uninterrupted


def test_killed_web_workers(page: Page, hearth: Hearth, uninterrupted: str) -> None:
    begun(page)
    for worker in hearth.workers():
        worker.kill()
    assert whole(page) == uninterrupted


def test_what_is_stopped_stays_and_the_conversation_goes_on(page: Page, hearth: Hearth) -> None:
    begun(page)
    page.keyboard.press("Escape")
    said = answered(page).strip()
    until(lambda: hearth.live() == 0, 10, "the engine has stopped, too")
    page.reload()
    assert answered(page).strip() == said
    expect(page.locator("article.assistant .actions")).to_contain_text("Stopped.")
    endless(page, max_tokens=5)
    asked = bodies(page)
    ask(page, "Go on.")
    answered(page, 3)
    assert [message["content"].strip() for message in asked[0]["messages"]] == [COUNT, said, "Go on."]
    page.reload()
    expect(page.locator("article")).to_have_count(4)
    assert answered(page).strip() == said
    assert page.evaluate("Object.keys(localStorage).filter((name) => name.startsWith('hearth.turn.'))") == []


def test_a_version_that_is_not_complete_has_its_beginning(page: Page) -> None:
    endless(page, max_tokens=5)
    ask(page, "Who are you?")
    first = answered(page).strip()
    endless(page)
    answered(page)
    ask(page, COUNT)
    expect(page.locator("#figures")).to_contain_text("out")
    page.keyboard.press("Escape")
    answered(page, 3)
    page.locator("article").last.get_by_text("Retry", exact=True).click()
    expect(page.locator("#figures")).to_contain_text("tokens/s")
    page.reload()
    expect(page.locator("article.user")).to_have_text([re.compile("Who are you"), re.compile("Count")])
    assert answered(page).strip() == first
    assert answered(page, 3).startswith("1")


def test_deleting_ends_the_answer(page: Page, hearth: Hearth) -> None:
    begun(page)
    page.locator("#conversations li").hover()
    page.get_by_label(f"Delete {COUNT}").click()
    expect(page.locator("#undo")).to_contain_text("here and on the server")
    page.clock.install()
    page.reload()
    until(lambda: hearth.live() == 0, 10, "the answer ends")
    expect(page.locator("#conversations li")).to_have_count(0)


@pytest.mark.parametrize("how", ["an older server", "no room for jobs"])
def test_where_streams_cannot_be_resumed(page: Page, how: str) -> None:
    """The page works, and says what it has lost."""
    error = {"error": {"message": "Full.", "type": "x", "param": None, "code": "too_many_jobs"}}

    def on_request(route: Route) -> None:
        headers = {name: value for name, value in route.request.headers.items() if name != "x-resumable"}
        if how == "no room for jobs" and "x-resumable" in route.request.headers:
            route.fulfill(status=429, json=error)
        else:
            route.continue_(headers=headers)

    page.route("**/v1/chat/completions", on_request)
    begun(page)
    page.reload()
    expect(page.locator("article.user .text")).to_have_text(COUNT)
    expect(page.get_by_role("alert")).to_have_text("This answer was not completed.")
    endless(page, max_tokens=5)
    page.locator("article").last.get_by_text("Retry", exact=True).click()
    answered(page)
    expect(page.get_by_role("alert")).to_have_count(0)
    page.reload()
    answered(page)
    expect(page.locator("#conversations li")).to_have_count(1)


def test_a_stop_before_the_first_word_ends_it_on_the_server(page: Page, hearth: Hearth) -> None:
    page.locator("#prompt").fill(COUNT)
    page.keyboard.press("Enter")
    page.keyboard.press("Escape")
    answered(page)
    expect(page.locator("article.assistant .actions")).to_contain_text("Stopped.")
    until(lambda: hearth.live() == 0, 10, "the answer has ended")


@pytest.mark.parametrize(
    "rubbish", ["{", "5", "[]", '{"messages": 5}', '{"messages": [null], "state": "running", "count": 0}']
)
def test_a_turn_may_be_rubbish(page: Page, rubbish: str) -> None:
    page.evaluate("kept => { localStorage.setItem('hearth.turn.c1', kept); location.hash = 'c1'; }", rubbish)
    expect(page.get_by_role("alert")).to_contain_text("no longer stored on the server")


def test_each_conversation_has_its_draft(page: Page) -> None:
    endless(page, max_tokens=5)
    ask(page, "Who are you?")
    answered(page)
    page.locator("#prompt").fill("of the first")
    page.locator("#new").click()
    expect(page.locator("#prompt")).to_have_value("")
    page.locator("#prompt").fill("of a new one")
    page.locator("#conversations a").click()
    expect(page.locator("#prompt")).to_have_value("of the first")
    page.reload()
    expect(page.locator("#prompt")).to_have_value("of the first")
    page.locator("#new").click()
    expect(page.locator("#prompt")).to_have_value("of a new one")
