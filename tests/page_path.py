"""A person's path through the chat page, timed: `python -m tests.page_path` prints the table that docs/page.md has.

From the first visit to the first answer, and back after a reload: in Chromium, slowed down as on a slow phone, with a
Hearth of its own on the demo model.
"""

import statistics
import sys
import tempfile
from pathlib import Path

from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, answered, chromium, page_of
from tests.harness import Hearth, serving

ROUNDS = 7
SLOWER = 4
"""How many times slower the browser's CPU is than this machine's."""
QUESTION = "Write quicksort in Python."
WATCH = """() => {
  window.reached = {};
  const seen = {
    usable: () => document.querySelector("#composer:not([data-early])"),
    word: () => document.querySelector("article.assistant .text")?.textContent,
    whole: () => document.querySelector("article.assistant .actions")?.checkVisibility(),
  };
  const look = () => {
    for (const [name, is] of Object.entries(seen)) if (!(name in reached) && is()) reached[name] = performance.now();
  };
  const all = { childList: true, subtree: true, attributes: true, characterData: true };
  new MutationObserver(look).observe(document, all);
  new PerformanceObserver((paints) => {
    const [first] = paints.getEntriesByName("first-contentful-paint");
    if (first) reached.drawn = first.startTime;
  }).observe({ type: "paint", buffered: true });
  addEventListener("keydown", ({ key }) => key === "Enter" && (reached.sent = performance.now()), true);
}"""
"""Notes when the page is drawn, from when on it takes what is typed; when all of it can be used; when the answer's
first word is there, and when the whole answer is: milliseconds since the page was asked for.
"""
STEPS = {
    "first visit: a question can be typed": ("drawn", None),
    "first visit: all of the page can be used": ("usable", None),
    "the question is sent: the answer's first word": ("word", "sent"),
    "the question is sent: the whole answer": ("whole", "sent"),
    "reload: a question can be typed": ("drawn", None),
    "reload: all of the page can be used": ("usable", None),
    "reload: the whole answer is back": ("whole", None),
}


def main() -> None:
    with tempfile.TemporaryDirectory() as directory, chromium() as browser, serving(Path(directory)) as stack:
        stack.chat(QUESTION)  # the engine's first request compiles
        rounds = [walk(browser, stack) for _ in range(ROUNDS)]
    sys.stdout.write("| step | median, ms | fastest, ms | slowest, ms |\n|---|--:|--:|--:|\n")
    for step, times in zip(STEPS, zip(*rounds, strict=True), strict=True):
        sys.stdout.write(f"| {step} | {statistics.median(times):.0f} | {min(times):.0f} | {max(times):.0f} |\n")


def walk(browser: Browser, stack: Hearth) -> list[float]:
    """Return the milliseconds of each step, in a window with an empty memory."""
    with page_of(browser, stack.url, PHONE, path="/health") as page:
        page.add_init_script(f"({WATCH})()")
        page.context.new_cdp_session(page).send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})
        page.goto("/")
        expect(page.locator("#engine")).to_have_text("ready")
        page.locator("#prompt").fill(QUESTION)
        page.keyboard.press("Enter")
        answered(page)
        first = reached(page)
        page.reload()
        answered(page)
        second = reached(page)
    ends = [first] * 4 + [second] * 3
    return [
        times[end] - (times[begin] if begin else 0.0) for times, (end, begin) in zip(ends, STEPS.values(), strict=True)
    ]


def reached(page: Page) -> dict[str, float]:
    found: dict[str, float] = page.evaluate("reached")
    return found


if __name__ == "__main__":
    main()
