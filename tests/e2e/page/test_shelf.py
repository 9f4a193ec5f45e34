"""The list of conversations: titles, pins, and deleting with ten seconds to undo it. No engine is needed."""

import json
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Locator, Page, Request, expect

from tests.browser import PHONE, page_of
from tests.harness import Hearth, until

KEPT = [
    {"id": f"c{number}", "root": f"c{number}", "title": f"Talk {number}", "created": number, "updated": number}
    for number in range(3)
] + [{"id": "c2-b", "root": "c2", "title": "Talk 2", "created": 5, "updated": 5}]
TITLES = ["Talk 2", "Talk 1", "Talk 0"]


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        found.clock.install()
        kept(found)
        yield found


def kept(page: Page) -> None:
    page.evaluate("kept => localStorage.setItem('hearth.conversations', kept)", json.dumps(KEPT))
    page.reload()
    expect(links(page)).to_have_text(TITLES)


def links(page: Page) -> Locator:
    return page.locator("#conversations a")


def deleted(page: Page) -> list[str]:
    """Gets the paths that the page asks the server to delete from now on."""
    found: list[str] = []

    def on_request(request: Request) -> None:
        if request.method == "DELETE":
            found.append(request.url.rpartition("/")[2])

    page.on("request", on_request)
    return found


def listed(page: Page) -> int:
    """Return how many versions this browser keeps."""
    found: int = page.evaluate("JSON.parse(localStorage.getItem('hearth.conversations')).length")
    return found


def delete(page: Page, title: str) -> None:
    page.locator("#conversations li", has_text=title).hover()
    page.get_by_label(f"Delete {title}").click()


def test_a_deletion_is_undone(page: Page) -> None:
    asked = deleted(page)
    delete(page, "Talk 2")
    expect(links(page)).to_have_text(TITLES[1:])
    expect(page.locator("#undo")).to_contain_text("Deleted with its 2 versions, here and on the server: Talk 2")
    page.clock.run_for(9000)
    page.get_by_role("button", name="Undo").click()
    expect(links(page)).to_have_text(TITLES)
    page.clock.run_for(20_000)
    expect(page.locator("#undo")).to_be_hidden()
    assert asked == []


def test_after_ten_seconds_all_versions_are_gone(page: Page) -> None:
    asked = deleted(page)
    delete(page, "Talk 2")
    page.clock.run_for(10_000)
    expect(page.locator("#undo")).to_be_hidden()
    until(lambda: listed(page) == 2, 30, "both versions are gone here too")
    assert sorted(asked) == ["c2", "c2-b"]
    page.reload()
    expect(links(page)).to_have_text(TITLES[1:])


def test_a_second_deletion_ends_the_time_of_the_first(page: Page) -> None:
    asked = deleted(page)
    delete(page, "Talk 2")
    delete(page, "Talk 0")
    until(lambda: listed(page) == 2, 30, "both versions are gone here too")
    assert sorted(asked) == ["c2", "c2-b"]
    expect(links(page)).to_have_text(["Talk 1"])


def test_leaving_the_page_ends_the_time(page: Page, alone: Hearth) -> None:
    items = [{"type": "message", "role": "user", "content": "Hello"}]
    stored = alone.post("/v1/conversations", {"items": items}).json()["id"]
    kept = [{"id": stored, "root": stored, "title": "Stored", "created": 1, "updated": 1}]
    page.evaluate("kept => localStorage.setItem('hearth.conversations', kept)", json.dumps(kept))
    page.reload()
    expect(links(page)).to_have_text(["Stored"])
    assert alone.get(f"/v1/conversations/{stored}").status_code == 200
    delete(page, "Stored")
    page.reload()
    expect(page.locator("#engine")).not_to_be_empty()
    assert links(page).count() == 0
    until(lambda: alone.get(f"/v1/conversations/{stored}").status_code == 404, 30, "it is deleted on the server")


def test_what_the_server_does_not_delete_stays(page: Page) -> None:
    error = {"error": {"message": "The disk is full.", "type": "server_error", "param": None, "code": "full"}}
    page.route("**/v1/conversations/*", lambda route: route.fulfill(status=500, json=error))
    delete(page, "Talk 1")
    page.clock.run_for(10_000)
    expect(links(page)).to_have_text(TITLES)


def test_a_title_is_the_readers(page: Page) -> None:
    page.locator("#conversations li").first.hover()
    page.get_by_label("Rename Talk 2").click()
    page.keyboard.type("مرحبا <b>")
    page.keyboard.press("Enter")
    expect(links(page).first).to_have_text("مرحبا <b>")
    expect(links(page).first).to_be_focused()
    page.reload()
    expect(links(page)).to_have_text(["مرحبا <b>", *TITLES[1:]])
    page.locator("#find").fill("مرحبا")
    expect(links(page)).to_have_count(1)
    page.locator("#find").fill("")
    page.get_by_label("Rename مرحبا <b>").focus()
    page.keyboard.press("Enter")
    page.keyboard.type("other")
    page.keyboard.press("Escape")
    expect(links(page).first).to_have_text("مرحبا <b>")
    page.get_by_label("Rename مرحبا <b>").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Delete")
    page.locator("#find").focus()
    expect(links(page)).to_have_text(TITLES)


def test_pinned_conversations_are_first(page: Page) -> None:
    page.locator("#conversations li").last.hover()
    page.get_by_label("Pin Talk 0").click()
    expect(links(page)).to_have_text(["Talk 0", "Talk 2", "Talk 1"])
    page.reload()
    expect(links(page)).to_have_text(["Talk 0", "Talk 2", "Talk 1"])
    expect(page.get_by_label("Pin Talk 0")).to_have_attribute("aria-pressed", "true")
    page.get_by_label("Pin Talk 0").click()
    expect(links(page)).to_have_text(TITLES)


@pytest.mark.parametrize("rubbish", ["{", "5", '{"c1": 7}', '["c1", null]'])
def test_titles_and_pins_may_be_rubbish(page: Page, rubbish: str) -> None:
    for name in ("names", "pinned"):
        page.evaluate("([name, kept]) => localStorage.setItem(`hearth.${name}`, kept)", [name, rubbish])
    page.reload()
    expect(links(page)).to_have_count(3)


def test_axe_finds_nothing_on_a_phone(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, PHONE) as page:
        kept(page)
        page.locator("#show-shelf").click()
        delete(page, "Talk 0")
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
