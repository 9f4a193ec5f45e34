"""The API's reference at /docs, in both languages. No engine is needed."""

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, page_of
from tests.e2e.page.test_chinese import english_of
from tests.harness import Hearth


def shown(page: Page) -> list[str]:
    """Return the ids of the sections that are seen."""
    found: list[str] = page.evaluate(
        "[...document.querySelectorAll('section')].filter(s => s.offsetHeight).map(s => s.id)"
    )
    return found


def height(page: Page) -> int:
    found: int = page.evaluate("document.documentElement.scrollHeight")
    return found


def test_one_endpoint_is_shown_at_a_time(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/docs") as page:
        assert shown(page) == ["overview"]
        assert height(page) == 800
        page.get_by_role("link", name="POST /v1/embeddings").click()
        assert shown(page) == ["createEmbedding"]
        expect(page.locator("nav [aria-current]")).to_have_text("POST /v1/embeddings")
        page.get_by_role("link", name="GET /v1/models", exact=True).click()
        assert shown(page) == ["listModels"]
        page.go_back()
        assert shown(page) == ["createEmbedding"]
        page.reload()
        assert shown(page) == ["createEmbedding"]
        page.get_by_role("link", name="Hearth API").click()
        assert shown(page) == ["overview"]
        page.get_by_role("link", name="Chat", exact=True).click()
        expect(page.locator("#prompt")).to_be_visible()


def test_search_finds_fields_and_endpoints(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/docs#getPage") as page:
        page.locator("#find").fill("min_p")
        expect(page.locator("#found a").first).to_contain_text("min_pPOST /v1/chat/completions")
        page.locator("#found a").first.click()
        assert shown(page) == ["createChatCompletion"]
        row = page.locator('tr[id="createChatCompletion.min_p"]')
        expect(row).to_be_in_viewport()
        assert row.evaluate("row => row.getBoundingClientRect().top >= document.querySelector('header').offsetHeight")
        page.locator("#find").fill("Beam  WIDTH")
        expect(page.locator("#found a").first).to_contain_text("use_beam_search")
        page.locator("#find").fill("<b>&[(")
        expect(page.get_by_text("Nothing found.")).to_be_visible()
        page.locator("#find").fill("")
        expect(page.locator("#all")).to_be_visible()
        expect(page.get_by_text("Nothing found.")).to_be_hidden()


def test_it_speaks_the_language_of_the_other_pages(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/docs#createEmbedding", language="zh-CN") as page:
        expect(page.locator("#createEmbedding p").nth(1)).to_have_text("用嵌入模型将文本转换为向量。")
        page.evaluate("document.querySelectorAll('section').forEach(section => section.style.display = 'block')")
        assert english_of(page) == []
        page.locator("#language").click()
        expect(page.locator("#createEmbedding p").nth(1)).to_have_text(
            "Turn texts into vectors with an embedding model."
        )
        assert shown(page) == ["createEmbedding"]
        page.goto("/")
        expect(page.locator("#prompt")).to_have_attribute("placeholder", "Ask something")
        page.locator("#language").click()
        expect(page.locator("#prompt")).to_have_attribute("placeholder", "问点什么")
        page.evaluate("localStorage.setItem('hearth.language', '\"en\"')")
        page.goto("/docs#createEmbedding")
        expect(page.locator("#createEmbedding p").nth(1)).to_have_text(
            "Turn texts into vectors with an embedding model."
        )


def test_keys_alone_are_enough(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, path="/docs#createEmbedding") as page:
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        expect(page.locator("#text")).to_be_focused()
        assert shown(page) == ["createEmbedding"]
        page.locator("#find").focus()
        page.keyboard.type("detokenize")
        page.keyboard.press("Tab")
        page.keyboard.press("Enter")
        assert shown(page) == ["detokenize"]


def test_without_its_script_all_is_there(browser: Browser, alone: Hearth) -> None:
    context = browser.new_context(base_url=alone.url, java_script_enabled=False)
    page = context.new_page()
    page.goto("/docs")
    page.get_by_role("link", name="POST /v1/embeddings").click()
    expect(page.locator("#createEmbedding")).to_be_visible()
    expect(page.locator("#overview")).to_be_hidden()
    expect(page.locator("#find")).to_be_hidden()
    context.close()


@pytest.mark.parametrize(("size", "dark"), [((1280, 800), False), ((320, 640), True)], ids=["desktop", "320 px, dark"])
def test_axe_finds_nothing(browser: Browser, alone: Hearth, size: tuple[int, int], dark: bool) -> None:
    for path in ("/docs", "/docs#createChatCompletion.min_p"):
        with page_of(browser, alone.url, size, path=path, dark=dark) as page:
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()
            assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
            page.locator("#find").evaluate("find => { find.value = 'stop'; find.dispatchEvent(new Event('input')); }")
            found = Axe().run(page)
            assert found.violations_count == 0, found.generate_report()


def test_on_a_phone_the_list_gives_way_and_comes_back(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, PHONE, path="/docs") as page:
        page.get_by_role("link", name="GET /v1/models", exact=True).click()
        expect(page.locator("nav")).to_be_hidden()
        page.get_by_role("link", name="All endpoints").locator("visible=true").click()
        expect(page.locator("nav")).to_be_visible()
        small = (
            "[...document.querySelectorAll('nav a, .back a')].filter(a => a.offsetHeight && a.offsetHeight < 44).length"
        )
        assert page.evaluate(small) == 0
