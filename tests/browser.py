"""A real Chromium, Debian's, that shows Hearth's pages to tests."""

from collections.abc import Iterator
from contextlib import contextmanager

from playwright.sync_api import Browser, ConsoleMessage, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium-headless-shell"
"""Chromium without windows and menus of its own, with which a page takes 0.25 s of CPU in place of 1.5."""
ARGUMENTS = [
    "--no-sandbox",  # the tests may run as root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
DESKTOP, PHONE = (1280, 800), (390, 844)
WAIT = 60_000
"""Milliseconds: the machine may be busy."""


@contextmanager
def chromium() -> Iterator[Browser]:
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def page_of(
    browser: Browser,
    url: str,
    size: tuple[int, int] = DESKTOP,
    *,
    path: str = "/",
    dark: bool = False,
    language: str = "en-US",
) -> Iterator[Page]:
    """A window with an empty memory at `path`. Fails at the end where a script failed, or the policy stopped one."""
    width, height = size
    context = browser.new_context(
        viewport={"width": width, "height": height},
        color_scheme="dark" if dark else "light",
        base_url=url,
        locale=language,
        permissions=["clipboard-read", "clipboard-write"],
    )
    context.set_default_timeout(WAIT)
    page = context.new_page()
    faults: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type == "error" and "Failed to load resource" not in message.text:  # a status, which the page tells
            faults.append(message.text)

    page.on("console", on_console)
    page.on("pageerror", lambda error: faults.append(str(error)))
    try:
        page.goto(path)
        yield page
    finally:
        context.close()
    assert not faults, faults


def ask(page: Page, text: str) -> None:
    """Type `text` and send it, as its reader would."""
    page.locator("#prompt").fill(text)
    page.keyboard.press("Enter")


def answered(page: Page, index: int = 1) -> str:
    """The text of message `index` once it is complete."""
    expect(page.locator(f'article[data-index="{index}"] .actions')).to_be_visible()
    body = page.locator(f'article[data-index="{index}"] .body')
    # A browser lays a text out a frame later, where it was far from what is seen.
    if any(text.strip() for text in body.locator(":scope > .text").all_text_contents()):
        expect(body).not_to_have_text("", use_inner_text=True)
    return body.inner_text()
