"""Settings with names, and those that were changed: seen at once, and reset one by one. No engine is needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, Page, expect

from tests.browser import PHONE, answered, ask, page_of
from tests.e2e.page.scripted import answering, remembering, stream
from tests.e2e.page.test_everyone import check
from tests.harness import Hearth


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        expect(found.locator("#field-temperature")).to_be_attached()
        found.keyboard.press("Control+.")
        yield found


def put(page: Page, name: str, value: str) -> None:
    page.locator(f"#field-{name}").fill(value)
    page.locator(f"#field-{name}").press("Tab")


def save(page: Page, name: str) -> None:
    page.get_by_role("button", name="Save as …").click()
    page.get_by_label("Name of the preset").fill(name)
    page.keyboard.press("Enter")


def kept(page: Page, name: str) -> Any:
    return json.loads(page.evaluate("name => localStorage.getItem(`hearth.${name}`)", name) or "null")


def test_changed_settings_are_seen_and_reset_one_by_one(page: Page) -> None:
    changed = page.locator("#changed li")
    expect(page.locator("#changed")).to_be_hidden()
    put(page, "temperature", "0.3")
    put(page, "stop", "a\nb")
    put(page, "system", "<b>You are short.</b> مرحبا and much more than fits there")
    page.locator("#field-ignore_eos").check()
    expect(changed).to_have_count(4)
    expect(changed.nth(0)).to_have_text("temperature 0.3 ×")
    expect(changed.nth(1)).to_have_text('stop ["a","b"] ×')
    expect(changed.nth(2)).to_contain_text("system <b>You are short.</b>")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator("#changed").get_by_role("button", name="Reset temperature").click()
    expect(page.locator("#field-temperature")).to_have_value("")
    expect(changed).to_have_count(3)
    page.locator("#fields").get_by_role("button", name="Reset stop", exact=True).click()
    expect(page.locator("#field-stop")).to_have_value("")
    page.reload()
    expect(changed).to_have_count(2)
    assert set(kept(page, "fields")) == {"system", "ignore_eos"}


def test_a_preset_is_saved_chosen_and_deleted(page: Page) -> None:
    preset = page.get_by_label("Preset", exact=True)
    for name, value in (("Precise", "0"), ("<b>مرحبا</b>", "1.5"), ("__proto__", "0.7")):
        put(page, "temperature", value)
        save(page, name)
        expect(preset).to_have_value(name)
    page.reload()
    page.keyboard.press("Control+.")
    expect(preset).to_have_value("__proto__")
    preset.select_option("Precise")
    expect(page.locator("#field-temperature")).to_have_value("0")
    expect(page.locator("#changed li")).to_have_text(["temperature 0 ×"])
    put(page, "top_p", "0.5")
    expect(preset).to_have_value("")
    preset.select_option("<b>مرحبا</b>")
    expect(page.locator("#field-top_p")).to_have_value("")
    page.get_by_role("button", name="Delete the preset").click()
    assert set(kept(page, "presets")) == {"Precise", "__proto__"}
    expect(page.locator("#field-temperature")).to_have_value("1.5")  # only the name is gone
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()


RUBBISH = {"temperature": "hot", "stop": 5, "logit_bias": [1], "ignore_eos": "yes", "messages": [], "top_p": 0.5}


def test_what_a_browser_keeps_may_be_rubbish(page: Page) -> None:
    presets = {f"Preset {number}": RUBBISH for number in range(60)} | {"x": 5, "y": None}
    for name, value in (("fields", RUBBISH), ("presets", presets), ("pair", "yes")):
        page.evaluate("([name, kept]) => localStorage.setItem(`hearth.${name}`, kept)", [name, json.dumps(value)])
    asked = answering(page, lambda body: stream("Well"))
    page.reload()
    expect(page.locator("#changed li")).to_have_text(["top_p 0.5 ×"])
    page.keyboard.press("Control+.")
    page.get_by_label("Preset", exact=True).select_option("Preset 49")
    expect(page.locator("#changed li")).to_have_text(["top_p 0.5 ×"])
    put(page, "top_p", "0.7")
    save(page, "One too many")
    expect(page.locator("#fields")).to_contain_text("There are 50 presets: delete one first.")
    ask(page, "Hello")
    answered(page)
    assert {name: asked[0].get(name) for name in RUBBISH} == {
        "messages": [{"role": "user", "content": "Hello"}],
        "top_p": 0.7,
    } | dict.fromkeys(("temperature", "stop", "logit_bias", "ignore_eos"))


def test_where_the_browsers_storage_is_full_presets_last_until_the_page_is_closed(page: Page) -> None:
    page.evaluate("Storage.prototype.setItem = () => { throw new DOMException('full', 'QuotaExceededError') }; null")
    put(page, "temperature", "0.3")
    save(page, "Precise")
    page.get_by_role("button", name="Reset all").click()
    page.get_by_label("Preset", exact=True).select_option("Precise")
    expect(page.locator("#field-temperature")).to_have_value("0.3")


def test_another_answer_with_other_settings(page: Page) -> None:
    asked = answering(page, lambda body: stream("An answer"))
    remembering(page, asked, "An answer")
    put(page, "temperature", "0")
    save(page, "Precise")
    put(page, "temperature", "1.2")
    put(page, "top_p", "0.9")
    ask(page, "Question")
    answered(page)
    page.get_by_role("button", name="Retry with …").click()
    expect(page.locator("#again-temperature")).to_have_value("1.2")
    found = Axe().run(page)
    assert found.violations_count == 0, found.generate_report()
    page.locator("#again-preset").select_option("Precise")
    page.locator("#again-max_tokens").fill("20")
    page.get_by_role("button", name="Answer again").click()
    expect(page.locator(".versions")).to_have_text("‹2 of 2›")
    sent = {name: asked[1].get(name) for name in ("temperature", "top_p", "max_tokens")}
    assert sent == {"temperature": 0, "top_p": None, "max_tokens": 20}
    expect(page.locator("#field-temperature")).to_have_value("1.2")  # the settings are as they were
    page.get_by_role("button", name="Retry with …").click()
    page.keyboard.press("Escape")
    page.wait_for_timeout(200)
    assert len(asked) == 2


def test_in_chinese_and_on_a_phone(browser: Browser, alone: Hearth) -> None:
    with page_of(browser, alone.url, PHONE, language="zh-CN") as page:
        expect(page.locator("#field-temperature")).to_be_attached()
        page.locator("#show-fields").click()
        put(page, "temperature", "0.3")
        page.get_by_role("button", name="另存为……").click()
        page.get_by_label("预设名称").fill("准确")
        page.keyboard.press("Enter")
        expect(page.get_by_label("预设", exact=True)).to_have_value("准确")
        check(page, "presets open")
        page.locator("#show-fields").click()
        expect(page.locator("#changed li")).to_have_text(["temperature 0.3 ×"])
        check(page, "presets")
