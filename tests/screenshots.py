"""The pictures of docs/: `python -m tests.screenshots` makes them again, from a Hearth of its own."""

import os
import signal
import sys
import tempfile
import threading
from pathlib import Path
from urllib.parse import quote

from playwright.sync_api import Browser, Page, expect

from schemas.shared.endpoint import PROJECT_ROOT
from tests.browser import PHONE, answered, ask, chromium, page_of
from tests.e2e.page.scripted import answering, stream
from tests.harness import Hearth, endless, serving
from tests.prometheus import Prometheus, scraping

IMAGES = PROJECT_ROOT / "docs/images"
ANSWER = r"""## Quicksort

It takes \(O(n \log n)\) comparisons on average, and at worst

$$\sum_{k=1}^{n} k = \frac{n(n+1)}{2}$$

| items | comparisons | at worst |
|---|--:|--:|
| 10 | 33 | 55 |
| 1000 | 9966 | 500,500 |

```python
def quicksort(items: list[int]) -> list[int]:
    if len(items) < 2:
        return items  # nothing to sort
    pivot, *rest = items
    below = [item for item in rest if item < pivot]
    return [*quicksort(below), pivot, *quicksort([item for item in rest if item >= pivot])]
```

- [x] sorted
- [ ] *in place*

> See [Hoare, 1962](https://example.com). مرحبا
"""


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
        chinese(browser, stack)
        phone(browser, stack)
        rendered(browser, stack)
        pair(browser, stack)
        tools(browser, stack)
        reference(browser, stack)
        with scraping(stack, Path(directory)) as prometheus:
            status(browser, stack)
            graphs(browser, prometheus)
        restart(browser, stack)


def keep(page: Page, name: str) -> None:
    page.screenshot(path=IMAGES / f"{name}.png")
    sys.stderr.write(f"docs/images/{name}.png\n")


def decide(page: Page, **fields: object) -> None:
    """Set request fields as the page keeps them."""
    page.evaluate("fields => localStorage.setItem('hearth.fields', JSON.stringify(fields))", fields)
    page.reload()


def converse(page: Page, *questions: str) -> None:
    """Each in a conversation of its own; the last stays open."""
    for question in questions:
        page.locator("#new").click()
        ask(page, question)
        answered(page)


def loading(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url) as page:
        expect(page.locator("#banner")).to_contain_text("warming it up")
        keep(page, "loading")


def desktop(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url) as page:
        converse(page, "我叫小明。", "Write quicksort in Python.")
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


def chinese(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url, language="zh-CN") as page:
        converse(page, "我叫小明。", "用 Python 写一个快速排序。")
        page.keyboard.press("Control+.")
        keep(page, "chat-zh")


def phone(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url, PHONE) as page:
        ask(page, "Write quicksort in Python.")
        answered(page)
        keep(page, "phone")


def rendered(browser: Browser, stack: Hearth) -> None:
    """Markdown as no demo model writes it: the answer is made up, its rendering is not."""
    looks = {
        "markdown": ((1280, 1000), False, "en-US"),
        "markdown-dark-zh": ((1280, 1000), True, "zh-CN"),
        "markdown-phone": (PHONE, False, "zh-CN"),
    }
    for name, (size, dark, language) in looks.items():
        with page_of(browser, stack.url, size, dark=dark, language=language) as page:
            answering(page, lambda _: stream(ANSWER))
            ask(page, "用 Python 写一个快速排序。" if language == "zh-CN" else "Sort these, and tell me what it costs.")
            answered(page)
            expect(page.locator("article.assistant pre .hljs-keyword").first).to_be_visible()
            page.locator("#transcript").evaluate("shown => (shown.scrollTop = 0)")
            keep(page, name)


def pair(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url, dark=True) as page:
        page.locator("#pair").click()
        ask(page, "Write quicksort in Python.")
        expect(page.locator("article.assistant .text")).to_have_count(2)
        answered(page)
        keep(page, "pair")


def tools(browser: Browser, stack: Hearth) -> None:
    schema = {"type": "object", "properties": {"city": {"enum": ["Paris", "北京"]}}, "required": ["city"]}
    tool = {"type": "function", "function": {"name": "weather", "parameters": schema}}
    with page_of(browser, stack.url) as page:
        decide(page, tools=[tool], tool_choice="required")
        page.locator("#files").set_input_files({"name": "城市.txt", "mimeType": "", "buffer": "北京".encode("gb18030")})
        ask(page, "What is the weather?")
        page.get_by_label("Result of weather").fill('{"sky": "clear", "celsius": 4}')
        page.locator("#files").set_input_files({"name": "notes.md", "mimeType": "", "buffer": b"# Notes"})
        keep(page, "tools")


def reference(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url, path="/docs#createChatCompletion") as page:
        page.locator("#find").fill("temperature")
        keep(page, "docs")
    with page_of(browser, stack.url, PHONE, path="/docs#createEmbedding", dark=True, language="zh-CN") as page:
        keep(page, "docs-phone-zh")


def status(browser: Browser, stack: Hearth) -> None:
    def load() -> None:
        for _ in range(6):
            stack.post("/v1/chat/completions", endless(n=24, max_tokens=400))

    working = threading.Thread(target=load)
    with page_of(browser, stack.url, (1280, 590), path="/status") as page:  # the rest is this machine's business
        page.wait_for_timeout(2000)
        working.start()
        page.wait_for_timeout(15_000)
        keep(page, "status")
    working.join()


def graphs(browser: Browser, prometheus: Prometheus) -> None:
    queries = (
        "rate(vllm:generation_tokens_total[5s])",
        "histogram_quantile(0.99, sum by (le) (rate(vllm:inter_token_latency_seconds_bucket[5s])))",
    )
    shown = [
        f"g{number}.expr={quote(query)}&g{number}.tab=0&g{number}.range_input=1m&g{number}.step_input=1"
        for number, query in enumerate(queries)
    ]
    page = browser.new_page(viewport={"width": 1280, "height": 1120})  # its scripts are not ours to judge
    page.goto(f"{prometheus.url}/graph?{'&'.join(shown)}")
    page.wait_for_timeout(5000)
    page.evaluate("scrollTo(0, 0)")
    keep(page, "prometheus")
    page.close()


def restart(browser: Browser, stack: Hearth) -> None:
    with page_of(browser, stack.url) as page:
        decide(page, ignore_eos=True, temperature=0)
        ask(page, "Count from 1 to 100.")
        expect(page.locator("article.assistant .text")).to_contain_text("10")
        os.kill(stack.welcome().pid, signal.SIGKILL)
        expect(page.locator("#banner")).to_contain_text("warming it up")
        keep(page, "restart")
        expect(page.locator("#banner")).to_be_hidden()
        page.reload()  # while the answer goes on
        expect(page.locator("#figures")).to_contain_text("out")
        keep(page, "resumed")


if __name__ == "__main__":
    main()
