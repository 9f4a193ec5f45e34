"""The page at /, used as people use it: by keyboard and pointer, in Chromium."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, Request, expect

from schemas.shared.endpoint import PROJECT_ROOT
from tests.browser import PHONE, answered, ask, page_of
from tests.harness import Hearth

LONG = "Count from 1 to 100."


def bodies(page: Page) -> list[dict[str, Any]]:
    """Gets what the page asks the model from now on."""
    found: list[dict[str, Any]] = []

    def on_request(request: Request) -> None:
        if request.method == "POST" and request.url.endswith("/v1/chat/completions"):
            body: dict[str, Any] = request.post_data_json  # type: ignore[assignment]
            found.append(body)

    page.on("request", on_request)
    return found


def setting(page: Page, name: str) -> None:
    """Show the control of a field."""
    if page.locator("#fields").is_hidden():
        page.keyboard.press("Control+.")
    page.locator(f"#field-{name}").scroll_into_view_if_needed()


def put(page: Page, name: str, value: str) -> None:
    """Type a value into the control of a field."""
    setting(page, name)
    page.locator(f"#field-{name}").fill(value)
    page.locator(f"#field-{name}").press("Tab")


def endless(page: Page) -> None:
    """Answers that end only when they are stopped."""
    setting(page, "ignore_eos")
    page.locator("#field-ignore_eos").check()


def test_an_answer_streams_and_says_how_fast_it_came(page: Page) -> None:
    expect(page.locator("#model")).to_have_text("hearth-demo")
    ask(page, LONG)  # a short answer may come in one piece, and has no speed then
    assert answered(page).startswith("1, 2, 3")
    expect(page.locator("article.assistant .actions")).to_contain_text(
        re.compile(r"\d+ tokens in · \d+ out · [\d.]+ tokens/s · first token after [\d.]+ s")
    )
    expect(page.locator("#conversations a")).to_have_text(LONG)


def test_code_is_shown_as_code(page: Page) -> None:
    ask(page, "Write quicksort in Python.")
    answered(page)
    expect(page.locator("article.assistant pre code")).to_contain_text("def quicksort(items):")
    expect(page.locator("article.assistant .body")).not_to_contain_text("```")


@pytest.mark.parametrize("how", ["the button", "Escape"])
def test_stop(page: Page, hearth: Hearth, how: str) -> None:
    """The engine stops too: the `hearth` fixture sees that nothing is live."""
    endless(page)
    ask(page, LONG)
    expect(page.locator("#figures")).to_contain_text("tokens/s")
    if how == "Escape":
        page.keyboard.press("Escape")
    else:
        page.locator("#stop").click()
    said = answered(page)
    expect(page.locator("article.assistant .actions")).to_contain_text("Stopped.")
    assert said.startswith("1")
    expect(page.locator("#prompt")).to_be_focused()


def test_a_conversation_is_there_again_after_a_restart_of_the_web_tier(page: Page, hearth: Hearth) -> None:
    ask(page, "我叫小明。")
    answered(page)
    hearth.stop_web()
    hearth.start_web()
    page.reload()
    expect(page.locator("article.user")).to_contain_text("我叫小明。")
    ask(page, "我叫什么名字？")
    assert answered(page, 3) == "你叫小明。"
    page.locator("#conversations li").hover()
    page.get_by_label("Delete 我叫小明。").click()
    expect(page.locator("#conversations li")).to_have_count(0)
    expect(page.locator("article")).to_have_count(0)


def test_edit_makes_a_version_and_keeps_the_other(page: Page) -> None:
    ask(page, "Who are you?")
    first = answered(page)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("ControlOrMeta+a")
    page.keyboard.type("Write quicksort in Python.")
    page.keyboard.press("Enter")
    assert "quicksort" in answered(page)
    expect(page.locator("article.user .versions")).to_contain_text("2 of 2")
    expect(page.locator("#conversations li")).to_have_count(1)
    page.get_by_label("Previous version").click()
    expect(page.locator("article.user .text")).to_have_text("Who are you?")
    expect(page.locator("article.assistant .text")).to_have_text(first)  # its Markdown comes a moment later


def test_retry_is_a_version_too(page: Page) -> None:
    asked = bodies(page)
    ask(page, "Who are you?")
    answered(page)
    ask(page, "Hello")
    answered(page, 3)
    page.locator("article").last.get_by_text("Retry", exact=True).click()
    answered(page, 3)
    expect(page.locator("article").last.locator(".versions")).to_contain_text("2 of 2")
    expect(page.locator(".versions")).to_have_count(1)
    assert asked[2]["messages"] == asked[1]["messages"]
    assert asked[2]["conversation_id"] != asked[1]["conversation_id"]
    expect(page.locator("article")).to_have_count(4)


def test_settings_go_along_and_stay(page: Page) -> None:
    asked = bodies(page)
    values = {
        "max_tokens": "12",
        "temperature": "0",
        "stop": "\\n\nthe end",
        "logit_bias": " two -1.5",
        "stop_token_ids": "1, 2",
        "force_prompt": "Answer kindly.",
        "system": "You are short.",
    }
    for name, value in values.items():
        put(page, name, value)
    page.locator("#field-add_default_stop").uncheck()
    ask(page, "Hello")
    answered(page)
    (body,) = asked
    expected = {
        "max_tokens": 12,
        "temperature": 0,
        "stop": ["\n", "the end"],
        "logit_bias": {" two": -1.5},
        "stop_token_ids": [1, 2],
        "force_prompt": "Answer kindly.",
        "add_default_stop": False,
    }
    assert {name: body[name] for name in expected} == expected
    assert body["messages"] == [
        {"role": "system", "content": "You are short."},
        {"role": "user", "content": "Hello"},
    ]
    page.reload()
    expect(page.locator("#field-max_tokens")).to_have_value("12")
    expect(page.locator("#field-system")).to_have_value("You are short.")
    setting(page, "system")
    page.get_by_text("Reset all").click()
    expect(page.locator("#field-max_tokens")).to_have_value("")


def test_a_system_message_is_that_of_its_conversation(page: Page) -> None:
    put(page, "system", "You are short.")
    ask(page, "Hello")
    answered(page)
    page.locator("#field-system").fill("")
    page.locator("#field-system").press("Tab")
    page.locator("#new").click()
    ask(page, "Who are you?")
    answered(page)
    page.locator("#conversations a", has_text="Hello").click()
    expect(page.locator("article.user")).to_contain_text("Hello")
    expect(page.locator("#field-system")).to_have_value("You are short.")
    page.locator("#new").click()
    expect(page.locator("#field-system")).to_have_value("")


def test_every_sampling_field_of_the_seed_has_a_control_with_its_documentation(page: Page, hearth: Hearth) -> None:
    seed = json.loads((PROJECT_ROOT / "tests/seed/chat_request.json").read_text())
    elsewhere = {"model", "messages", "stream", "conversation_id"}  # the page's own business
    documented = hearth.get("/openapi.json").json()["components"]["schemas"]["ChatCompletionRequest"]["properties"]
    setting(page, "system")
    for name in set(seed) - elsewhere:
        says = page.locator(f"#field-{name}-description").inner_text()
        assert says == documented[name]["description"].replace("`", ""), name


def test_a_value_out_of_range_is_refused_where_it_is_typed(page: Page) -> None:
    asked = bodies(page)
    put(page, "temperature", "3")
    assert page.evaluate("document.getElementById('field-temperature').validationMessage") == "must be from 0 to 2"
    ask(page, "Hello")
    answered(page)
    assert "temperature" not in asked[0]


def test_several_choices_are_all_shown(page: Page) -> None:
    put(page, "n", "3")
    ask(page, "Who are you?")
    answered(page)
    expect(page.locator("article.assistant .text")).to_have_count(3)


def test_the_best_of_several_comes_whole(page: Page) -> None:
    put(page, "best_of", "2")
    ask(page, "Who are you?")
    text = answered(page)
    assert "Hearth" in text
    page.get_by_text("Copy as Python").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    done = subprocess.run([sys.executable, "-c", copied], capture_output=True, text=True, timeout=60, check=True)
    assert "Hearth" in done.stdout


def test_log_probabilities_are_shown_on_hover_and_by_keyboard(page: Page) -> None:
    setting(page, "logprobs")
    page.locator("#field-logprobs").check()
    ask(page, "Who are you?")
    text = answered(page)
    tokens = page.locator("article.assistant .token")
    assert "".join(tokens.all_inner_texts()) == text
    assert "<|" not in text, "the end token is none of the text"
    tokens.nth(1).hover()
    expect(page.locator("#hint tr")).to_have_count(5)
    expect(page.locator("#hint")).to_contain_text("%")
    page.mouse.move(0, 0)
    expect(page.locator("#hint")).to_have_count(0)
    tokens.first.focus()
    page.keyboard.press("ArrowRight")
    expect(tokens.nth(1)).to_be_focused()
    expect(page.locator("#hint tr")).to_have_count(5)


@pytest.mark.parametrize("language", ["curl", "Python"])
def test_what_is_copied_runs_and_brings_the_same(page: Page, language: str) -> None:
    put(page, "temperature", "0")
    setting(page, "add_default_stop")
    page.locator("#field-add_default_stop").uncheck()
    ask(page, "It's \"Hearth\", isn't it? 你好 \\ $HOME")
    text = answered(page)
    page.get_by_text(f"Copy as {language}").click()
    expect(page.get_by_text("Copied")).to_be_visible()
    copied = page.evaluate("navigator.clipboard.readText()")
    command = ["bash", "-c", copied] if language == "curl" else [sys.executable, "-c", copied]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    if language == "curl":
        pieces = re.findall(r'"content":"((?:[^"\\]|\\.)*)"', done.stdout)
        assert "".join(pieces).encode().decode("unicode_escape") == text
    else:
        assert done.stdout == text


def test_keys_alone_are_enough(page: Page) -> None:
    expect(page.locator("#prompt")).to_be_focused()
    page.keyboard.type("Who are")
    page.keyboard.press("Shift+Enter")
    page.keyboard.type("you?")
    expect(page.locator("#prompt")).to_have_value("Who are\nyou?")
    page.keyboard.press("Enter")
    answered(page)
    page.keyboard.press("Control+Shift+O")
    expect(page.locator("article")).to_have_count(0)
    page.locator("#transcript").focus()
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    page.keyboard.press("/")
    expect(page.locator("#prompt")).to_be_focused()


def test_on_a_phone(browser: Browser, hearth: Hearth) -> None:
    with page_of(browser, hearth.url, PHONE) as page:
        ask(page, "Write quicksort in Python.")
        answered(page)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), "nothing is wider than the phone"
        expect(page.locator("#shelf")).to_be_hidden()
        page.locator("#show-shelf").click()
        expect(page.locator("#conversations a")).to_have_text("Write quicksort in Python.")
        page.locator("#new").click()
        expect(page.locator("#shelf")).to_be_hidden()
        page.locator("#show-fields").click()
        expect(page.locator("#field-top_p")).to_be_visible()
