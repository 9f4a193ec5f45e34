"""Functions that the model may call, results typed by hand, schemas, and reasoning. No engine is needed."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser import ask, page_of
from tests.e2e.page.scripted import EVENTS, Body, remembering
from tests.e2e.page.test_everyone import check
from tests.harness import Hearth

WEATHER = {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
CALLS = [
    {"index": 0, "id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": '}},
    {"index": 1, "id": "call_2", "type": "function", "function": {"name": "<b>now</b>", "arguments": "{}"}},
    {"index": 0, "function": {"arguments": '"北京"}'}},
]
WRONG = {
    '[{"name": "a"},\n x]': "This is not JSON.",
    "{": "This is not JSON: see line 1, column 2.",
    "[]": "Expected an array of functions, each an object with a name.",
    "7": "Expected an array of functions, each an object with a name.",
    '[{"name": ""}]': "Expected an array of functions, each an object with a name.",
    '[{"name": "a"}, {"name": "a"}]': "Two functions have the name a.",
    '{"name": "a", "parameters": []}': "The parameters of a must be a JSON Schema, which is an object.",
    " " * 100_001 + "1": "This has 100002 characters; at most 100000 are taken.",
}


@pytest.fixture
def page(browser: Browser, alone: Hearth) -> Iterator[Page]:
    with page_of(browser, alone.url) as found:
        expect(found.locator("#engine")).to_have_text("engine unreachable")
        yield found


def deltas(page: Page, *turns: list[dict[str, Any]]) -> list[Body]:
    """Answer with the deltas of each turn, one turn after the other. Returns the list that gets the bodies."""
    asked: list[Body] = []

    def on_request(route: Any) -> None:
        asked.append(route.request.post_data_json)
        events = [{"choices": [{"index": 0, "delta": d, "finish_reason": None}]} for d in turns[len(asked) - 1]]
        text = "".join(f"data: {event}\n\n" for event in [*map(json.dumps, events), "[DONE]"])
        route.fulfill(body=text, headers=EVENTS)

    page.route("**/v1/chat/completions", on_request)
    return asked


def put(page: Page, name: str, text: str) -> None:
    if page.locator("#fields").is_hidden():
        page.keyboard.press("Control+.")
    page.locator(f"#field-{name}").fill(text)
    page.locator(f"#field-{name}").press("Tab")


def test_calls_are_shown_and_their_results_sent(page: Page) -> None:
    asked = deltas(page, [{"tool_calls": CALLS[:2]}, {"tool_calls": CALLS[2:]}], [{"content": "It is sunny."}])
    remembering(page, asked)
    put(page, "tools", json.dumps(WEATHER))
    page.locator("#field-tool_choice").select_option("required")
    ask(page, "What is the weather?")
    expect(page.locator(".calls summary")).to_have_text(["Call of weather", "Call of <b>now</b>"])
    expect(page.locator(".calls pre").first).to_have_text('{\n  "city": "北京"\n}')
    assert asked[0]["tools"] == [{"type": "function", "function": WEATHER}]
    assert asked[0]["tool_choice"] == "required"
    check(page, "calls")
    page.get_by_label("Result of weather").fill('{"sky": "clear"}')
    page.get_by_role("button", name="Send the results").click()
    expect(page.locator("article.assistant").last).to_contain_text("It is sunny.")
    expect(page.locator(".results")).to_have_count(0)
    calls = [
        {"id": "call_1", "type": "function", "function": {"name": "weather", "arguments": '{"city": "北京"}'}},
        {"id": "call_2", "type": "function", "function": {"name": "<b>now</b>", "arguments": "{}"}},
    ]
    assert asked[1]["messages"] == [
        {"role": "user", "content": "What is the weather?"},
        {"role": "assistant", "content": "", "tool_calls": calls},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"sky": "clear"}'},
        {"role": "tool", "tool_call_id": "call_2", "content": ""},
    ]
    page.reload()
    expect(page.locator(".calls summary")).to_have_count(2)
    expect(page.locator("article.tool").first).to_contain_text('{"sky": "clear"}')


@pytest.mark.parametrize("text", WRONG, ids=range(len(WRONG)))
def test_what_is_no_function_is_told_in_words(page: Page, text: str) -> None:
    put(page, "tools", text)
    assert page.evaluate("document.getElementById('field-tools').validationMessage") == WRONG[text]
    expect(page.locator("#changed")).to_be_hidden()


def test_the_answer_matches_a_schema(page: Page) -> None:
    asked = deltas(page, [{"content": '{"a": 1}'}])
    put(page, "schema", "[1]")
    said = page.evaluate("document.getElementById('field-schema').validationMessage")
    assert said == "Expected a JSON Schema, which is an object."
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    put(page, "schema", json.dumps(schema))
    page.reload()
    ask(page, "Hello")
    expect(page.locator("article.assistant")).to_contain_text('{"a": 1}')
    format_ = {"type": "json_schema", "json_schema": {"name": "answer", "schema": schema}}
    assert asked[0]["response_format"] == format_


def test_reasoning_is_folded_once_the_answer_begins(page: Page) -> None:
    deltas(page, [{"reasoning": "Let me think "}, {"reasoning": "about <b>it</b>."}, {"content": "Yes."}])
    ask(page, "Is it?")
    expect(page.locator("article.assistant .text")).to_have_text("Yes.")
    thought = page.locator("article.assistant .thought")
    assert thought.get_attribute("open") is None
    thought.locator("summary").click()
    expect(thought.locator("div")).to_have_text("Let me think about <b>it</b>.")
    check(page, "reasoning")
