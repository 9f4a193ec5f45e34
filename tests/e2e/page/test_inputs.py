"""Files that go along with a message, and the model's adapters. No engine is needed."""

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, FilePayload, Page, expect

from tests.browser import page_of
from tests.harness import Hearth

DROP = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name));
  for (const type of ["dragover", "drop"]) {
    const event = new DragEvent(type, { dataTransfer: carried, bubbles: true, cancelable: true });
    document.getElementById("transcript").dispatchEvent(event);
  }
}"""
PASTE = """([name, text]) => {
  const carried = new DataTransfer();
  carried.items.add(new File([text], name));
  const event = new ClipboardEvent("paste", { clipboardData: carried, bubbles: true, cancelable: true });
  document.getElementById("prompt").dispatchEvent(event);
}"""
HUGE = """() => {
  const carried = new DataTransfer(), file = new File([], "huge.log");
  Object.defineProperty(file, "size", { value: 100_000_000 });
  file.arrayBuffer = () => { throw new Error("it was read"); };
  Object.defineProperty(carried, "files", { value: [file] });
  Object.defineProperty(carried, "types", { value: ["Files"] });
  document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }));
}"""
CHINESE = "你好，世界。这是一个文件。"
TEXTS = {
    "UTF-8": ("naïve " + CHINESE).encode(),
    "UTF-8 with a mark": b"\xef\xbb\xbf" + CHINESE.encode(),
    "UTF-16": CHINESE.encode("utf-16"),
    "UTF-16, big-endian": b"\xfe\xff" + CHINESE.encode("utf-16-be"),
    "UTF-16 without a mark": "plain letters".encode("utf-16-le"),
    "GB18030": CHINESE.encode("gb18030"),
    "right to left": "مرحبا بالعالم".encode(),
}
PNG = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\0\0\0\1\0\0\0\1\x08\2\0\0\0"
REFUSED = {
    "image.png": (PNG, "image.png is no text file"),
    "program": (b"\x7fELF\2\1\1\0" + bytes(range(256)), "program is no text file"),
    "latin-1.txt": ("Größe: 5 µm, café".encode("latin-1"), "latin-1.txt is no text file"),
    "empty.txt": (b"", "empty.txt is empty"),
    "long.txt": (b"x" * 20_000, "long.txt is too large: 20 kB, and there is room for 16 kB"),
}


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        ready(found)
        yield found


def ready(page: Page, *adapters: str) -> None:
    """Let the page find a model with a context of 2000 tokens, and these adapters."""
    state = {"status": "ok", "engine": {"state": "ready", "stage": "", "progress": 1}}
    page.route("**/health", lambda route: route.fulfill(json=state))
    models: list[dict[str, Any]] = [{"id": "base", "max_model_len": 2000}]
    models += [{"id": name, "max_model_len": 2000, "parent": "base"} for name in adapters]
    page.route("**/v1/models", lambda route: route.fulfill(json={"object": "list", "data": models}))
    page.reload()
    expect(page.locator("#model")).to_contain_text("base")


def asked(page: Page) -> list[dict[str, Any]]:
    """Gets what the page asks the model from now on, which is not answered."""
    found: list[dict[str, Any]] = []

    def refuse(route: Any) -> None:
        found.append(route.request.post_data_json)
        error = {"message": "Not now.", "type": "server_error", "param": None, "code": "internal_error"}
        route.fulfill(status=500, json={"error": error})

    page.route("**/v1/chat/completions", refuse)
    return found


def file(name: str, content: bytes) -> FilePayload:
    return {"name": name, "mimeType": "", "buffer": content}


def test_files_are_chips_and_part_of_the_message(page: Page) -> None:
    bodies = asked(page)
    page.locator("#files").set_input_files([file("a.py", b"print(1)\r\n"), file("b.md", b"````\ncode\n````\n")])
    expect(page.locator("#attached li")).to_have_count(2)
    page.evaluate(DROP, ["c.txt", "dropped"])
    expect(page.locator("#attached li")).to_have_count(3)
    page.evaluate(PASTE, ["d.txt", "pasted"])
    expect(page.locator("#attached li")).to_have_count(4)
    page.get_by_label("Remove c.txt").click()
    expect(page.locator("#attached li")).to_have_count(3)
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type("What are these?")
    page.keyboard.press("Enter")
    expect(page.locator("#attached")).to_be_hidden()
    expect(page.locator("article.user pre")).to_have_count(3)
    (body,) = bodies
    assert body["messages"][-1]["content"] == (
        "What are these?\n\n`a.py`\n\n```py\nprint(1)\n```\n\n`b.md`\n\n`````md\n````\ncode\n````\n`````\n\n"
        "`d.txt`\n\n```txt\npasted\n```"
    )


@pytest.mark.parametrize("kind", TEXTS)
def test_text_is_read_whatever_its_encoding(page: Page, kind: str) -> None:
    bodies = asked(page)
    page.locator("#files").set_input_files(file("x.txt", TEXTS[kind]))
    expect(page.locator("#attached li")).to_have_count(1)
    page.locator("#send").click()
    expect(page.locator("article.user pre")).to_have_count(1)
    written = {"UTF-16 without a mark": "plain letters", "right to left": "مرحبا بالعالم", "UTF-8": "naïve " + CHINESE}
    assert bodies[0]["messages"][-1]["content"] == f"`x.txt`\n\n```txt\n{written.get(kind, CHINESE)}\n```"


def test_what_is_no_text_or_too_much_is_refused_in_words(page: Page) -> None:
    for name, (content, words) in REFUSED.items():
        page.locator("#files").set_input_files(file(name, content))
        expect(page.locator("#refused")).to_contain_text(words)
        expect(page.locator("#attached li")).to_have_count(0)
    page.evaluate(HUGE)
    expect(page.locator("#refused")).to_contain_text("huge.log is too large: 100.0 MB")
    page.locator("#files").set_input_files([file(f"{number}.txt", b"x") for number in range(11)])
    expect(page.locator("#refused")).to_have_text("At most 10 files can be attached.")
    expect(page.locator("#attached li")).to_have_count(10)


def test_an_adapter_is_chosen_and_stays_chosen(page: Page) -> None:
    expect(page.locator("#adapter")).to_have_count(0)
    ready(page, "poet", "lawyer")
    bodies = asked(page)
    page.locator("#adapter").select_option("lawyer")
    page.locator("#prompt").fill("Hello")
    page.keyboard.press("Enter")
    expect(page.get_by_role("alert").locator("visible=true")).to_be_visible()
    assert bodies[0]["model"] == "lawyer"
    page.reload()
    expect(page.locator("#adapter")).to_have_value("lawyer")
    ready(page, "poet")
    expect(page.locator("#adapter")).to_have_value("base")
