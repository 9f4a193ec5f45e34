"""What is typed or attached and not sent. No engine is needed."""

from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import answered, ask, page_of
from tests.e2e.page.scripted import answering, remembering, stream
from tests.e2e.page.test_bad_input import FILL
from tests.e2e.page.test_inputs import CHINESE, TEXTS, asked, file, ready
from tests.harness import Hearth


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        ready(found)
        yield found


def test_files_that_were_not_sent_are_kept_with_their_draft(page: Page) -> None:
    page.locator("#prompt").fill("of a new one")
    page.locator("#files").set_input_files([file("a.py", b"print(1)"), file("中.txt", TEXTS["GB18030"])])
    expect(page.locator("#attached li")).to_have_count(2)
    page.reload()
    expect(page.locator("#attached li")).to_contain_text(["a.py8 B", "中.txt26 B · GB18030"])
    expect(page.locator("#prompt")).to_have_value("of a new one")
    expect(page.locator("#unkept")).to_be_hidden()
    bodies = asked(page)
    page.locator("#send").click()
    expect(page.get_by_role("alert").locator("visible=true")).to_be_visible()
    written = f"of a new one\n\n`a.py`\n\n```py\nprint(1)\n```\n\n`中.txt`\n\n```txt\n{CHINESE}\n```"
    assert bodies[0]["messages"][-1]["content"] == written
    page.locator("#files").set_input_files(file("b.md", b"# of the first"))
    expect(page.locator("#attached li")).to_have_count(1)
    page.locator("#new").click()
    expect(page.locator("#attached")).to_be_hidden()
    page.reload()
    expect(page.locator("#attached")).to_be_hidden()
    page.locator("#conversations a").click()
    expect(page.locator("#attached li")).to_contain_text(["b.md"])
    page.get_by_label("Remove b.md").click()
    page.reload()
    expect(page.locator("article.user")).to_have_count(1)
    expect(page.locator("#attached")).to_be_hidden()
    assert page.evaluate("Object.keys(localStorage).filter((name) => /draft|files/.test(name))") == []


def test_what_is_not_sent_goes_along_to_another_version(alone_page: Page) -> None:
    page = alone_page
    sent = answering(page, lambda body: stream("An answer"))
    remembering(page, sent, "An answer")
    ask(page, "Hello")
    answered(page)
    page.locator("#prompt").fill("not yet")
    page.locator("#files").set_input_files(file("a.txt", b"a"))
    before = page.url
    page.get_by_role("button", name="Retry", exact=True).click()
    expect(page.locator(".versions")).to_have_text("‹2 of 2›")
    assert page.url != before
    page.reload()
    expect(page.locator("article")).to_have_count(2)
    expect(page.locator("#prompt")).to_have_value("not yet")
    expect(page.locator("#attached li")).to_contain_text(["a.txt"])


def test_files_that_there_is_no_room_for_are_told(page: Page) -> None:
    page.route("**/v1/models", lambda route: route.fulfill(json={"data": [{"id": "base", "max_model_len": 500_000}]}))
    page.reload()
    expect(page.locator("#model")).to_contain_text("base")
    page.locator("#files").set_input_files(file("large.txt", b"x" * 1_500_000))
    expect(page.locator("#attached li")).to_have_count(1)
    expect(page.locator("#unkept")).to_be_hidden()
    page.locator("#files").set_input_files(file("larger.txt", b"y" * 1_000_000))
    expect(page.locator("#unkept")).to_contain_text("lost when you close the page")
    page.get_by_label("Remove large.txt").click()
    expect(page.locator("#unkept")).to_be_hidden()
    page.reload()
    expect(page.locator("#attached li")).to_contain_text(["larger.txt"])
    page.evaluate(FILL, "another page's")
    page.locator("#files").set_input_files(file("more.txt", b"z" * 100_000))
    expect(page.locator("#unkept")).to_be_visible()
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator("#send").click()
    expect(page.locator("#unkept")).to_be_hidden()


@pytest.mark.parametrize(
    "rubbish", ["{", "5", "[null, 5, {}]", '[{"name": "x", "text": 5, "size": 1, "encoding": "y"}]']
)
def test_what_a_browser_keeps_of_files_may_be_rubbish(page: Page, rubbish: str) -> None:
    page.evaluate("kept => localStorage.setItem('hearth.files of draft', kept)", rubbish)
    page.reload()
    expect(page.locator("#model")).to_contain_text("base")
    expect(page.locator("#attached")).to_be_hidden()
    page.locator("#files").set_input_files(file("a.txt", b"a"))
    expect(page.locator("#attached li")).to_have_count(1)
