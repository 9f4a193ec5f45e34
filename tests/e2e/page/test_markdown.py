"""Answers as they are meant: Markdown, code and formulas, streamed and whole. No model is needed to write them."""

import re
from collections.abc import Iterator

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, page_of
from tests.e2e.page.markdown import EVERYTHING, cost, draw
from tests.harness import Hearth

TEXT = ".body > .text"
KATEX = ".formula .katex-html"


@pytest.fixture(scope="module")
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    """One window for all tests: each shows another message in it."""
    with page_of(browser, alone.url) as found:
        yield found


def coloured(page: Page) -> None:
    """Wait until the code has its colours and the formulas are drawn."""
    expect(page.locator(".code .hljs-keyword").first).to_be_visible()
    expect(page.locator(KATEX)).to_have_count(5)


def html(page: Page) -> str:
    coloured(page)
    found: str = page.locator(TEXT).inner_html()
    return found


def test_markdown_is_shown_as_it_is_meant(page: Page) -> None:
    assert draw(page, EVERYTHING)
    coloured(page)
    text = page.locator(TEXT)
    expect(text.locator("h3")).to_have_text("A title")
    expect(text.locator("h4")).to_have_text("Under it")
    for tag, words in {
        "strong": "bold",
        "em": "italic",
        "s": "gone",
        "li li": "nested",
        "blockquote": "A quote",
    }.items():
        expect(text.locator(tag)).to_contain_text(words)
    expect(text.locator("ul input:checked")).to_have_count(1)
    expect(text.locator("li.task")).to_have_text(["to do", "done"])
    expect(text.locator("ol").first).to_have_attribute("start", "7")
    expect(text.locator("td")).to_have_count(9)
    expect(text.locator("td.right").nth(1)).to_have_text("one\ntwo", use_inner_text=True)
    expect(text.locator("a")).to_have_text(["link", "https://example.org/x", "the end"])
    expect(text).to_contain_text("it costs $5 or $10")
    assert text.locator("math annotation").first.text_content() == "x^2"
    expect(text.locator(".katex-display")).to_have_count(2)
    expect(text.locator("li p")).to_have_text(["loose", "list"])
    arabic = text.locator("p", has_text="مرحبا")
    assert arabic.evaluate("element => getComputedStyle(element).direction") == "rtl"


@pytest.mark.parametrize("step", [1, 7, 100])
def test_what_streams_ends_as_what_comes_whole(page: Page, step: int) -> None:
    assert draw(page, EVERYTHING)
    whole = html(page)
    assert draw(page, EVERYTHING, step)
    assert html(page) == whole


def test_code_has_its_language_and_is_copied(page: Page) -> None:
    draw(page, "```python\nx = '<b>'\n```\n\n~~~\nplain\n~~~")
    expect(page.locator(".code .bar span")).to_have_text(["python", ""])
    expect(page.locator(".hljs-string")).to_have_text("'<b>'")
    page.get_by_title("Copy the code").first.click()
    expect(page.get_by_text("Copied")).to_be_visible()
    assert page.evaluate("navigator.clipboard.readText()") == "x = '<b>'\n"


@pytest.mark.parametrize(
    ("begin", "line"),
    [
        ("", "A paragraph with **bold** and `code`.\n\n"),
        ("", "- an item\n"),
        ("", "1. an item\n\n"),
        ("| a | b |\n|--|--|\n", "| a | b |\n"),
        ("```python\n", "code = 1\n"),
    ],
    ids=["paragraphs", "list", "loose list", "table", "code"],
)
def test_a_token_costs_the_same_at_the_end_of_a_long_answer(page: Page, begin: str, line: str) -> None:
    made = cost(page, begin, line, 400)
    assert max(made[-100:]) <= max(made[:100]), made
    assert sum(made) >= 8, "elements are made at all"


@pytest.mark.parametrize(
    "text",
    [
        "<script>document.title='evil'</script>",
        "<img src=x onerror=\"document.title='evil'\">",
        "[x](javascript:document.title='evil') [y](data:text/html,<script>1</script>) [z](vbscript:1)",
        "![x](https://evil.example/x.png)",
        "<svg/onload=alert(1)> <a href='javascript:1'>x</a> <style>*{display:none}</style>",
        "`<b>` **<i>** | <u> |\n|--|\n| <iframe> |",
        '```"><script>document.title="evil"</script>\n<script>1</script>\n```',
        r"$\href{javascript:alert(1)}{x}$ $\includegraphics{https://evil.example/x.png}$ $\htmlStyle{color:red}{x}$",
        '[x](https://a.example/"onclick="alert(1))',
    ],
)
def test_nothing_that_a_message_holds_is_run_or_fetched(page: Page, text: str) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for step in (0, 3):
        draw(page, text, step)
        page.wait_for_timeout(100)
        inside = page.locator(TEXT)
        assert inside.locator("script, img, iframe, svg, style, u, i, b, object, embed").count() == 0
        for link in inside.locator("a").all():
            assert (link.get_attribute("href") or "").startswith("https://")
            assert link.get_attribute("rel") == "noopener noreferrer nofollow"
        assert inside.evaluate(
            "e => [...e.querySelectorAll('*')].every(n => !n.getAttributeNames().some(a => a.startsWith('on')))"
        )
    assert page.title() == "Hearth"
    assert not [url for url in asked if "evil" in url]


HOSTILE = {
    "stars": "*" * 100_000,
    "brackets": "[" * 100_000,
    "backticks": "` ``" * 10_000,
    "quotes": ">" * 100_000,
    "nested lists": "".join(f"{' ' * depth}- x\n" for depth in range(0, 400, 2)),
    "10,000 cells": "|" + "a|" * 100 + "\n|" + "-|" * 100 + "\n" + ("|" + "x|" * 100 + "\n") * 100,
    "an open fence": "```python\n" + "x = 1\n" * 5000,
    "an open formula": "$$\n" + "x + \n" * 5000,
    "dollars": "$a " * 20_000,
    "a long line of code": "```\n" + "x" * 60_000,
    "controls": "\0\r\n\u202e\ufeff" * 2000,
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_text_is_shown_and_the_page_goes_on(page: Page, name: str) -> None:
    text = HOSTILE[name]
    rendered = draw(page, text, max(100, len(text) // 50))
    assert rendered == (name not in ("quotes", "nested lists")), "their source is shown"
    if name == "10,000 cells":
        expect(page.locator(f"{TEXT} td")).to_have_count(10_000)
    page.locator("#prompt").fill("still here")
    expect(page.locator("#prompt")).to_have_value("still here")


@pytest.mark.parametrize(
    "tex",
    [
        r"\def\a{\a\a}\a",
        r"\newcommand\a[1]{#1#1}\a{\a{\a{\a{x}}}}",
        r"\edef\a{x}\a",
        r"\let\a=x",
        "{" * 900 + "}" * 900,
        r"\rule{1e9em}{1e9em}",
        r"\frac{",
        r"\unknown",
        "x" * 3000,
    ],
)
def test_a_latex_bomb_stays_source_and_small(page: Page, tex: str) -> None:
    draw(page, f"${tex}$ and $x$")
    expect(page.locator(KATEX).last).to_have_text("x")
    assert page.evaluate("document.querySelectorAll('.text *').length") < 5000
    width = page.locator(TEXT).evaluate("element => element.scrollWidth")
    assert width < 1300, width


def test_a_text_of_too_many_tokens_is_told_from_others(page: Page) -> None:
    assert not draw(page, "`a` " * 50_000)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("size", [(1280, 800), PHONE, (320, 640)], ids=["desktop", "phone", "320 px"])
def test_axe_finds_nothing(browser: Browser, alone: Hearth, size: tuple[int, int], dark: bool) -> None:
    with page_of(browser, alone.url, size, dark=dark) as page:
        expect(page.locator("#engine")).to_have_text("engine unreachable")
        draw(page, EVERYTHING)
        coloured(page)
        found = Axe().run(page)
        assert found.violations_count == 0, found.generate_report()
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_libraries_come_late_and_stay(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url) as page:
        expect(page.locator("#engine")).to_have_text("engine unreachable")
        expect(page.locator("#field-top_p")).to_have_count(1)
        sent = page.evaluate("performance.getEntries().reduce((sum, entry) => sum + (entry.encodedBodySize ?? 0), 0)")
        assert 50_000 < sent < 250_000
    for name in ("katex-0.19.1/katex.min.js", "katex-0.19.1/fonts/KaTeX_Main-Regular.woff2"):
        kept = alone.get(f"/page/vendor/{name}").headers["Cache-Control"]
        assert re.fullmatch(r"public, max-age=\d{8}, immutable", kept)
    answer = alone.get("/page/markdown/growing.js")
    assert answer.headers["Cache-Control"] == "no-cache"
