"""The pages for those whose browser prefers Chinese."""

import re

from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, answered, ask, page_of
from tests.harness import Hearth
from webapp import page_files

ENGLISH = re.compile(r"\b[A-Za-z]+(?: [a-z]+){2,}")
"""Three words in a row."""
FETCHED = """async () => {
  const page = document.querySelector("script[type=module]").src;
  await (await import(new URL("../shared/errors.js", page))).inWords(418, "I am a teapot.");
  return performance.getEntriesByType("resource").map((one) => new URL(one.name).pathname);
}"""
"""The paths of what the page has fetched, the Chinese errors among it."""


def english_of(page: Page) -> list[str]:
    texts = [page.locator("body").inner_text()]
    for name in ("title", "aria-label", "placeholder"):
        texts += [one.get_attribute(name) or "" for one in page.locator(f"[{name}]").all()]
    return [found for text in texts for found in ENGLISH.findall(text)]


def test_it_speaks_chinese_and_english_when_it_is_told(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, language="zh-CN") as page:
        expect(page.locator("#engine")).to_have_text("就绪")
        expect(page.locator("#prompt")).to_have_attribute("placeholder", "问点什么")
        assert page.evaluate("document.documentElement.lang") == "zh"
        page.get_by_role("button", name="你是谁？").click()
        assert "Hearth" in answered(page)
        expect(page.locator("article.assistant .actions")).to_contain_text(
            re.compile(r"输入 \d+ token · 输出 \d+ token · ([\d.]+ token/s · )?首 token 延迟 [\d.]+ s")
        )
        page.locator("#show-fields").click()
        expect(page.locator("#field-temperature-description")).to_have_text(
            "0 表示始终选取概率最高的 token；值越大，输出越多样。"
        )
        expect(page.locator("#field-seed")).to_have_attribute("placeholder", "随机")
        page.locator("#ask-help").click()
        assert english_of(page) == []
        page.keyboard.press("Escape")
        page.locator("#language").click()
        expect(page.locator("#prompt")).to_have_attribute("placeholder", "Ask something")
        page.reload()
        expect(page.locator("#engine")).to_have_text("ready")
        assert len(english_of(page)) > 10, "or Chinese could not be told from it"


def test_the_status_page_too(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, path="/status", language="zh-CN") as page:
        expect(page.locator("#state")).to_have_text("引擎就绪")
        expect(page.locator("#workers tr")).to_have_count(2)
        assert english_of(page) == []
        assert page.title() == "Hearth：状态"
        page.context.set_offline(True)
        expect(page.locator("#state")).to_have_text("无法连接服务器")


def test_on_a_phone(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, PHONE, language="zh-TW") as page:
        ask(page, "用 Python 写一个快速排序。")
        answered(page)
        expect(page.locator("article.assistant")).to_contain_text("def quicksort")
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_words_are_kept_for_a_release(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, language="zh-CN") as page:
        expect(page.locator("#engine")).to_have_text("就绪")
        version, fetched = page_files.version(), set(page.evaluate(FETCHED))
        assert fetched >= {f"/page/{version}/zh.json", f"/page/{version}/shared/errors-zh.json"}
        assert all(path.startswith(f"/page/{version}/") for path in fetched if path.startswith("/page/"))


def test_without_the_words_the_page_is_english(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, language="zh-CN") as page:
        page.route("**/zh.json", lambda route: route.abort())
        page.reload()
        expect(page.locator("#prompt")).to_have_attribute("placeholder", "Ask something")
        ask(page, "Who are you?")
        assert "Hearth" in answered(page)
