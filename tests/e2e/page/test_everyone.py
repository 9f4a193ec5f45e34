"""The pages for everybody: screen readers, fingers, small phones, both languages. No engine is needed."""

import json

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, ask, page_of
from tests.e2e.page.markdown import EVERYTHING
from tests.e2e.page.test_chinese import english_of
from tests.e2e.page.test_inputs import file
from tests.e2e.page.test_messages_shown import answer
from tests.harness import Hearth

SMALL = (320, 640)
SIZES = [(1280, 800), SMALL]
TARGETS = """() => [...document.querySelectorAll("button, select, summary, input, a")].filter((one) => {
  const box = one.getBoundingClientRect(), row = one.closest("label")?.getBoundingClientRect();
  const inText = one.closest(".text, p:not(.links, .actions), dd, .back, .skip");
  const shown = box.width && getComputedStyle(one).visibility === "visible";
  return shown && !inText && Math.max(box.height, row?.height ?? 0) < 43.9;
}).map((one) => one.outerHTML.slice(0, 120))"""

MODULES = """() => {
  const named = [...document.querySelectorAll("link[rel=modulepreload], script[type=module]")];
  const loaded = performance.getEntriesByType("resource").map((one) => one.name);
  return [named.map((one) => one.href || one.src), loaded.filter((one) => /(?<!theme|early)\\.js$/.test(one))];
}"""


def error(page: Page, status: int, message: str, code: str = "x") -> None:
    body = {"error": {"message": message, "type": "t", "param": None, "code": code}}
    page.route("**/v1/chat/completions", lambda route: route.fulfill(status=status, json=body))


def check(page: Page, state: str) -> None:
    """Fail where axe finds something, the page scrolls sideways, or a target is too small for a finger."""
    found = Axe().run(page)
    assert found.violations_count == 0, (state, found.generate_report())
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), state
    if page.evaluate("innerWidth < 700"):
        assert page.evaluate(TARGETS) == [], state


@pytest.mark.parametrize("size", SIZES, ids=["desktop", "320 px"])
def test_every_state_of_the_chat_page(browser: Browser, alone: Hearth, size: tuple[int, int]) -> None:
    with page_of(browser, alone.url, size, dark=size == SMALL) as page:
        expect(page.locator("#engine")).to_have_text("engine unreachable")
        check(page, "empty")
        page.locator("#files").set_input_files([file("a.txt", b"a"), file("b.png", b"\0")])
        expect(page.locator("#refused")).to_be_visible()
        check(page, "files")
        error(page, 400, "The prompt is empty: there is no token to begin from.")
        ask(page, "Hello")
        expect(page.locator("article [role=alert]")).to_be_visible()
        check(page, "refused")
        page.unroute("**/v1/chat/completions")
        answer(page, EVERYTHING)
        page.get_by_role("button", name="Retry", exact=True).click()
        expect(page.locator("article.assistant .katex").first).to_be_visible()
        check(page, "answered")
        page.locator("article.user").get_by_role("button", name="Edit").click()
        check(page, "editing")
        page.get_by_role("button", name="Cancel").click()
        if size == SMALL:
            page.locator("#show-shelf").click()
            check(page, "conversations")
        for name in ("ask-help", "ask-transfer", "ask-key"):
            page.locator(f"#{name}").click()
            check(page, name)
            page.keyboard.press("Escape")
        if size == SMALL:
            page.locator("#show-shelf").click()
        page.locator("#show-fields").click()
        expect(page.locator("#field-top_p")).to_be_visible()
        check(page, "settings")


@pytest.mark.parametrize("size", SIZES, ids=["desktop", "320 px"])
def test_the_status_page(browser: Browser, alone: Hearth, size: tuple[int, int]) -> None:
    with page_of(browser, alone.url, size, path="/status", dark=size == SMALL) as page:
        expect(page.locator("#workers tr").first).to_be_visible()
        check(page, "status")


def test_a_tap_beside_a_drawer_closes_it_and_does_nothing_else(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, PHONE) as page:
        page.locator("#show-shelf").click()
        expect(page.locator("#shelf")).to_be_visible()
        page.mouse.click(370, 300)
        expect(page.locator("#shelf")).to_be_hidden()
        page.locator("#show-fields").click()
        expect(page.locator("#field-top_p")).to_be_visible()
        page.locator("#field-top_p").click()
        expect(page.locator("#fields")).to_be_visible()
        page.locator("#attach").dispatch_event("click")
        expect(page.locator("#fields")).to_be_hidden()
        expect(page.locator("article")).to_have_count(0)


def test_light_or_dark_is_the_readers_choice_on_all_pages(browser: Browser, alone: Hearth) -> None:
    def is_dark(page: Page) -> bool:
        colour: str = page.evaluate("getComputedStyle(document.body).backgroundColor")
        return colour == "rgb(25, 22, 19)"

    with page_of(browser, alone.url) as page:
        assert not is_dark(page)
        page.locator("#theme").click()
        assert is_dark(page)
        for path in ("/status", "/docs", "/"):
            page.goto(path)
            assert is_dark(page), path
        page.locator("#theme").click()
        assert not is_dark(page)
        page.emulate_media(color_scheme="dark")
        assert is_dark(page), "it follows the device again"


def test_a_screen_reader_hears_an_answer_once(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        expect(page.locator("#engine")).to_have_text("engine unreachable")
        page.evaluate(
            """() => {
              window.heard = [];
              new MutationObserver(() => heard.push(document.getElementById("said").textContent))
                .observe(document.getElementById("said"), { childList: true });
            }"""
        )
        answer(page, "One two three. " * 40)
        ask(page, "Hello")
        expect(page.locator("#said")).to_contain_text("One two three.")
        heard = page.evaluate("heard")
        assert heard[0] == "Hearth is writing an answer."
        assert len(heard) == 2
        assert page.locator("#transcript").get_attribute("aria-live") == "off"


def test_a_wrong_key_is_told_in_the_readers_language(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, language="zh-CN") as page:
        expect(page.locator("#engine")).to_have_text("无法连接引擎")
        error(page, 401, "No API key provided: send `Authorization: Bearer <key>`.", "invalid_api_key")
        ask(page, "Hello")
        expect(page.locator("#key")).to_be_visible()
        expect(page.locator("#key-wrong")).to_be_hidden()
        page.locator("#key-value").fill("wrong")
        page.keyboard.press("Enter")
        error(page, 401, "Incorrect API key provided.", "invalid_api_key")
        page.get_by_role("button", name="重试", exact=True).click()
        expect(page.locator("#key-wrong")).to_have_text("服务器拒绝了所输入的 API 密钥：密钥错误，或已失效。")
        check(page, "a wrong key")
        page.keyboard.press("Escape")
        expect(page.locator("article [role=alert]")).to_have_text("API 密钥错误。")


@pytest.mark.parametrize(
    ("status", "message", "chinese"),
    [
        (
            400,
            "This model's maximum context length is 2048 tokens, and the prompt has 9000: "
            "it must leave room for at least one token of the answer.",
            "模型的上下文长度为 2048 token，而提示词有 9000 token：必须至少为回答留出 1 个 token。",
        ),
        (
            400,
            "Invalid value for `response_format.schema`: Expected a JSON Schema of at most 100 levels.",
            "`response_format.schema` 的值无效：JSON Schema 最多 100 层。",
        ),
        (
            429,
            "The queue is full: 256 answers are waiting or running. Try again in 3 s.",
            "队列已满：256 个回答正在排队或运行，请在 3 秒后重试。",
        ),
        (418, "I am <b>a teapot</b>.", "请求被拒绝：I am <b>a teapot</b>."),
        (500, "It broke {0} $& \\.", "服务器出错：It broke {0} $& \\."),
    ],
)
def test_errors_are_told_in_chinese(browser: Browser, alone: Hearth, status: int, message: str, chinese: str) -> None:
    with page_of(browser, alone.url, language="zh-CN") as page:
        expect(page.locator("#engine")).to_have_text("无法连接引擎")
        told = page.evaluate(
            "async ([s, m]) => (await import('/page/shared/errors.js')).inWords(s, m)", [status, message]
        )
        assert told == chinese


def test_an_error_in_a_stream_is_told_in_chinese(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, language="zh-CN") as page:
        expect(page.locator("#engine")).to_have_text("无法连接引擎")
        event = json.dumps({"error": {"message": "The engine is being stopped.", "code": "x"}})
        headers = {"Content-Type": "text/event-stream"}
        page.route("**/v1/chat/completions", lambda route: route.fulfill(body=f"data: {event}\n\n", headers=headers))
        ask(page, "你好")
        expect(page.locator("article [role=alert]")).to_contain_text("引擎正在停止。")
        assert english_of(page) == []


def test_it_can_be_installed(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        devtools = page.context.new_cdp_session(page)
        found = devtools.send("Page.getAppManifest")
        assert found["errors"] == []
        assert json.loads(found["data"])["start_url"] == "/"
        errors = devtools.send("Page.getInstallabilityErrors")["installabilityErrors"]
        assert {error["errorId"] for error in errors} <= {"in-incognito"}, "each test's window is private"


@pytest.mark.parametrize(("path", "least"), [("/", 50), ("/status", 13), ("/docs", 2)])
def test_the_modules_that_a_page_needs_are_those_that_it_names(
    browser: Browser, alone: Hearth, path: str, least: int
) -> None:
    with page_of(browser, alone.url, path=path) as page:
        page.wait_for_load_state("load")
        named, loaded = page.evaluate(MODULES)
    assert len(named) >= least
    assert sorted(loaded) == sorted(named), "one that is not named is late, one that is not needed is too much"


def test_the_first_visit_in_chinese_is_small_too(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, language="zh-CN") as page:
        expect(page.locator("#engine")).to_have_text("无法连接引擎")
        expect(page.locator("#field-top_p")).to_have_count(1)
        sent = page.evaluate("performance.getEntries().reduce((sum, entry) => sum + (entry.encodedBodySize ?? 0), 0)")
        assert 50_000 < sent < 250_000
