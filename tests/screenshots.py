"""The pictures of docs/: `python -m tests.screenshots` makes them again, from a Hearth of its own."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from schemas.endpoint import PROJECT_ROOT
from tests.browser import PHONE, answered, ask, chromium, page_of
from tests.harness import Hearth, endless, serving

IMAGES = PROJECT_ROOT / "docs/images"


def main() -> None:
    IMAGES.mkdir(exist_ok=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        chromium() as browser,
        serving(Path(directory) / "run", ready=False) as stack,
    ):
        loading(browser, stack)
        stack.wait_ready()
        desktop(browser, stack)
        phone(browser, stack)
        status(browser, stack)
        restart(browser, stack)


def keep(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / f"{name}.png")
    sys.stderr.write(f"docs/images/{name}.png\n")


def loading(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url) as page:
        expect(page.locator("#banner")).to_contain_text("warming it up")
        keep(page, "loading")


def desktop(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url) as page:
        ask(page, "我叫小明。")
        answered(page)
        page.locator("#new").click()
        ask(page, "Write quicksort in Python.")
        answered(page)
        page.keyboard.press("Control+.")
        page.locator("#field-logprobs").check()
        ask(page, "Who are you?")
        answered(page, 3)
        page.locator("article.assistant .token").nth(6).hover()
        keep(page, "chat")
    with page_of(browser, stack.url, dark=True) as page:
        ask(page, "How do I restart the web tier?")
        answered(page)
        page.keyboard.press("ArrowUp")
        page.keyboard.press("ControlOrMeta+a")
        page.keyboard.type("مرحبا 👋")
        page.keyboard.press("Enter")
        answered(page)
        keep(page, "chat-dark")


def phone(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url, PHONE) as page:
        ask(page, "Write quicksort in Python.")
        answered(page)
        keep(page, "phone")


def status(browser: Browser, stack: Hearth) -> None:
    def load() -> None:
        for _ in range(6):
            stack.post("/v1/chat/completions", endless(n=24, max_tokens=400))

    working = threading.Thread(target=load)
    with page_of(browser, stack.url, path="/status") as page:
        page.wait_for_timeout(2000)
        working.start()
        page.wait_for_timeout(15_000)
        keep(page, "status")
    working.join()


def restart(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url) as page:
        page.evaluate("localStorage.setItem('hearth.fields', '{\"ignore_eos\": true, \"temperature\": 0}')")
        page.reload()
        ask(page, "Count from 1 to 100.")
        expect(page.locator("article.assistant .said")).to_contain_text("10")
        os.kill(stack.welcome().pid, signal.SIGKILL)
        expect(page.locator("#banner")).to_contain_text("warming it up")
        keep(page, "restart")


if __name__ == "__main__":
    main()
