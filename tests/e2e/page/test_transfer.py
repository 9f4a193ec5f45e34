"""Conversations leave the page as files, and come back. No engine is needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser import page_of
from tests.harness import Hearth

NOT_OURS = "The file is not an export of this page."
MESSAGES = [
    {"role": "system", "content": "Be short."},
    {"role": "user", "content": "What is **bold**? مرحبا"},
    {"role": "assistant", "content": "# Text\n\n<b>like this</b>"},
] + [{"role": role, "content": f"{role} {turn}"} for turn in range(30) for role in ("user", "assistant")]
EXPORT = {"hearth": 1, "conversations": [{"title": "A title", "messages": MESSAGES}]}


@pytest.fixture(scope="module")
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        expect(found.locator("#engine")).to_have_text("engine unreachable")
        found.locator("#ask-transfer").click()
        yield found


def give(page: Page, content: bytes) -> None:
    """Choose a file with this content."""
    page.locator("#import").set_input_files([])
    page.locator("#import").set_input_files(
        FilePayload(name="export.json", mimeType="application/json", buffer=content)
    )


def exported(page: Page, button: str) -> str:
    with page.expect_download() as download:
        page.get_by_role("button", name=button).click()
    return download.value.path().read_text()


def test_what_is_exported_is_imported(page: Page) -> None:
    expect(page.locator("#export-json")).to_be_disabled()
    give(page, json.dumps(EXPORT).encode())
    expect(page.locator("#transferred")).to_have_text("Imported: 1")
    assert json.loads(exported(page, "All conversations as JSON")) == EXPORT
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.keyboard.press("Escape")
    page.locator("#conversations a", has_text="A title").click()
    expect(page.locator("article")).to_have_count(62)
    page.locator("article").first.scroll_into_view_if_needed()  # what is far away is not rendered yet
    expect(page.locator("article strong").first).to_have_text("bold")
    expect(page.locator("#field-system")).to_have_value("Be short.")
    page.locator("#ask-transfer").click()
    assert json.loads(exported(page, "This conversation as JSON"))["conversations"][0]["messages"] == MESSAGES
    text = exported(page, "This conversation as Markdown")
    assert (
        "## System\n\nBe short.\n\n## You\n\nWhat is **bold**? مرحبا\n\n## Hearth\n\n# Text\n\n<b>like this</b>\n"
        in text
    )


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff\xfe",
        b"[]",
        b"null",
        b'{"hearth": 2, "conversations": []}',
        b'{"hearth": 1}',
        b'{"hearth": 1, "conversations": [null]}',
        b'{"hearth": 1, "conversations": [{"title": "x", "messages": []}]}',
        b'{"hearth": 1, "conversations": [{"title": "x", "messages": [{"role": "root", "content": "x"}]}]}',
        b'{"hearth": 1, "conversations": [{"title": "x", "messages": [{"role": "user", "content": {}}]}]}',
        b'{"hearth": 1, "conversations": [{"title": 5, "messages": [{"role": "user", "content": "x"}]}]}',
    ],
)
def test_what_is_not_ours_is_told_and_changes_nothing(page: Page, content: bytes) -> None:
    before: Any = page.evaluate("localStorage.getItem('hearth.conversations')")
    give(page, content)
    expect(page.locator("#transferred")).to_have_text(NOT_OURS)
    assert page.evaluate("localStorage.getItem('hearth.conversations')") == before
