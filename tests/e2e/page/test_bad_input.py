"""What the page meets when things are not as they should be."""

import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import answered, ask, page_of
from tests.harness import TLS, Hearth

EVIL = """<img src=x onerror="document.title='evil'"> <script>document.title='evil'</script>
```html
<iframe srcdoc="<script>parent.document.title='evil'</script>"></iframe>
``` [x](javascript:alert(1)) `<b onclick=1>` **<i>**"""


@pytest.fixture(scope="module")
def locked(running: Hearth, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """A second web tier of the same engine, which asks for a key."""
    run_dir: Path = tmp_path_factory.mktemp("locked")
    endpoint = f"ipc://{running.run_dir}/engine.sock"
    keys = {"HEARTH_API_KEYS": "right", "HEARTH_ENGINE_ENDPOINT": endpoint, "HEARTH_ENGINE_SPAWN": "0"}
    stack = Hearth(run_dir, **keys)
    stack.start_web()
    yield stack
    stack.stop_web()


def test_html_and_script_are_shown_and_never_run(page: Page) -> None:
    ask(page, EVIL)
    answered(page)
    expect(page.locator("article.user .text")).to_contain_text("<script>document.title='evil'</script>")
    expect(page.locator("article.user .text")).to_contain_text('<img src=x onerror="')
    assert page.locator("article img, article script, article iframe, article b, article a").count() == 0
    page.reload()
    expect(page.locator("article.user .text")).to_contain_text("<iframe srcdoc=")
    expect(page.locator("#conversations a")).to_contain_text("<img src=x")
    assert page.title() == "Hearth"


def test_the_policy_forbids_what_the_page_does_not_need(hearth: Hearth) -> None:
    for path in ("/", "/status", "/docs", "/page/chat/chat.js"):
        policy = hearth.get(path).headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "http" not in policy


def test_nothing_is_asked_of_another_host(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url) as page:
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        page.reload()
        ask(page, "Hello")
        answered(page)
    assert len(asked) > 10
    assert all(url.startswith(hearth.url) for url in asked), asked


def test_files_beside_the_pages_are_not_served(hearth: Hearth) -> None:
    for path in (
        "/page/../app.py",
        "/page/%2e%2e%2fapp.py",
        "/page/..%5capp.py",
        "/page/nothing.js",
        "/page/",
        "/page",
    ):
        request = httpx.Request("GET", hearth.url + path)
        response = httpx.Client(timeout=30, verify=TLS).send(request)
        assert response.status_code == 404, path
        assert response.json()["error"]["code"] == "unknown_url"


def test_a_wrong_key_is_asked_for_again(browser: Browser, locked: Hearth) -> None:
    with page_of(browser, locked.url) as page:
        for key in ("wrong", "falsch ключ", "right"):
            expect(page.locator("#key")).to_be_visible()
            page.locator("#key-value").fill(key)
            page.keyboard.press("Enter")
        expect(page.locator("#model")).to_have_text("hearth-demo")
        ask(page, "Who are you?")
        assert "Hearth" in answered(page)
        page.get_by_text("Copy as curl").click()
        copied = page.evaluate("navigator.clipboard.readText()")
        assert "right" not in copied
        assert "$HEARTH_API_KEY" in copied
        page.reload()
        expect(page.locator("#model")).to_have_text("hearth-demo")
    assert httpx.post(f"{locked.url}/", json={"prompt": "x"}).status_code == 401, "`/` is open for GET alone"
    for path in ("/metrics", "/status.json"):
        assert httpx.get(locked.url + path).status_code == 401
        assert httpx.get(locked.url + path, headers={"Authorization": "Bearer right"}).status_code == 200


def test_without_an_engine_it_says_so_and_what_was_typed_can_be_stopped(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        expect(page.locator("#engine")).to_have_text("engine unreachable")
        expect(page.locator("#banner")).to_contain_text("cannot reach an engine")
        ask(page, "Hello")
        expect(page.locator("#stop")).to_be_visible()
        page.keyboard.press("Escape")
        answered(page)
        page.reload()
        expect(page.locator("article.user .text")).to_have_text("Hello")
        expect(page.locator("article.assistant .actions")).to_contain_text("Stopped.")


def test_offline_nothing_typed_is_lost(page: Page) -> None:
    ask(page, "Who are you?")
    answered(page)
    page.context.set_offline(True)
    ask(page, "Hello")
    expect(page.get_by_role("alert")).to_have_text("The server cannot be reached.")
    expect(page.locator("#engine")).to_have_text("server unreachable")
    page.context.set_offline(False)
    expect(page.locator("#engine")).to_have_text("ready")
    page.locator("article").last.get_by_text("Retry", exact=True).click()
    answered(page, 3)
    expect(page.get_by_role("alert")).to_have_count(0)
    expect(page.locator(".versions")).to_have_count(0)


def test_a_lone_surrogate_is_answered(page: Page) -> None:
    page.evaluate("document.getElementById('prompt').value = 'x\\ud800'")
    page.keyboard.press("Enter")
    answered(page)
    expect(page.get_by_text("lone surrogates")).to_be_visible()


def test_two_hundred_conversations(page: Page, hearth: Hearth) -> None:
    kept = [
        {"id": f"c{number}", "root": f"c{number}", "title": f"Talk {number}", "created": number, "updated": number}
        for number in range(200)
    ]
    page.evaluate("kept => localStorage.setItem('hearth.conversations', kept)", json.dumps(kept))
    page.reload()
    expect(page.locator("#conversations li")).to_have_count(200)
    expect(page.locator("#conversations li").first).to_contain_text("Talk 199")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight"), "the list scrolls, not the page"
    page.locator("#find").fill("talk 42")
    expect(page.locator("#conversations li")).to_have_count(1)
    page.locator("#conversations a").click()
    expect(page.get_by_role("alert")).to_contain_text("no longer stored on the server")


@pytest.mark.parametrize("rubbish", ["{", "5", "null", '{"a": 1}', "[]", '"zz"'])
def test_what_a_browser_keeps_may_be_rubbish(page: Page, rubbish: str) -> None:
    for name in ("conversations", "fields", "draft", "key", "language"):
        page.evaluate("([name, kept]) => localStorage.setItem(`hearth.${name}`, kept)", [name, rubbish])
    page.reload()
    expect(page.locator("#model")).to_have_text("hearth-demo")
    ask(page, "Hello")
    answered(page)
    expect(page.locator("#conversations li")).to_have_count(1)


FILL = """name => {
  for (let size = 8_000_000; size >= 1; size = Math.floor(size / 2)) {
    try { localStorage.setItem(name, (localStorage.getItem(name) ?? "") + "x".repeat(size)); size *= 2; } catch {}
  }
}"""


def test_where_the_browsers_storage_is_full_the_page_goes_on(page: Page) -> None:
    ask(page, "Hello")
    answered(page)
    page.evaluate(FILL, "another page's")
    page.locator("#new").click()
    ask(page, "Who are you?")
    answered(page)
    expect(page.locator("#conversations li")).to_have_count(2)
    expect(page.locator("#conversations li").first).to_contain_text("Who are you?")
    page.locator("#conversations li a").last.click()
    expect(page.locator("article.user .text")).to_have_text("Hello")
    page.evaluate("localStorage.removeItem(`another page's`)")
    page.locator("#conversations li a").first.click()
    expect(page.locator("article.user .text")).to_have_text("Who are you?")
    ask(page, "And what can you do?")
    answered(page, 3)
    page.reload()
    expect(page.locator("#conversations li")).to_have_count(2)


def test_a_message_of_100_kb_is_refused_in_words(page: Page) -> None:
    ask(page, "word " * 20_000)
    expect(page.get_by_role("alert")).to_contain_text("maximum context length")
    assert page.evaluate("document.documentElement.scrollHeight <= innerHeight")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Hello")
    page.keyboard.press("Enter")
    answered(page)
    expect(page.get_by_role("alert")).to_have_count(0)


def test_right_to_left_text_and_emoji(page: Page) -> None:
    words = "مرحبا بالعالم 👩‍👩‍👧‍👦 שלום"
    ask(page, words)
    answered(page)
    said = page.locator("article.user .text")
    expect(said).to_have_text(words)
    assert said.locator("p").evaluate("element => getComputedStyle(element).direction") == "rtl"
    expect(page.locator("#conversations a")).to_have_text(words)
    page.reload()
    expect(page.locator("article.user .text")).to_have_text(words)
