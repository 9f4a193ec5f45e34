"""The items of responses over HTTP: ids, references to stored items, the list of an input, what follows a response."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types.responses import Response, ResponseItem, ResponseItemList
from openai.types.responses.input_token_count_response import InputTokenCountResponse

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.sdk_types import check
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys

URL = "/v1/responses"
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "42"}
INPUT: list[dict[str, Any]] = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": [{"type": "input_text", "text": "a"}, {"type": "input_text", "text": "b"}]},
    {"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "Hm."}]},
    {"type": "message", "role": "assistant", "id": "msg_1", "content": [{"type": "output_text", "text": "c"}]},
    CALL,
    OUTPUT,
    {"type": "function_call_output", "call_id": "call_1", "output": [{"type": "input_text", "text": "43"}]},
    {"role": "developer", "content": "d"},
]


def make(client: FlaskClient, **body: Any) -> Any:
    response = client.post(URL, json=body)
    assert response.status_code == 200, response.text
    check(Response, response.get_json())
    return response.get_json()


def asked(engine: FakeEngine) -> list[Any]:
    """The texts that the engine got with the last request."""
    messages = engine.messages(wire.Generate)[-1].messages
    assert messages is not None
    return [message["content"] for message in messages]


def refused(client: FlaskClient, **body: Any) -> tuple[int, str | None, str | None]:
    response = client.post(URL, json=body)
    error = response.get_json()["error"]
    return response.status_code, error["param"], error["code"]


def answer_with_a_call(engine: FakeEngine, generate: wire.Generate) -> None:
    hold(engine, generate)
    calls = [wire.ToolCall(0, "call_1", "f", "{}")]
    delta = wire.Delta(generate.id, 0, "Let me see.", [1], "tool_calls", reasoning="Hm.", tool_calls=calls)
    engine.send(wire.Deltas(batch=[delta]))


def listed(client: FlaskClient, response_id: str, **arguments: Any) -> Any:
    found = client.get(f"{URL}/{response_id}/input_items", query_string=arguments).get_json()
    check(ResponseItemList, found)
    return found


def test_the_input_is_listed_as_items(served: FlaskClient) -> None:
    made = make(served, input=INPUT)
    found = listed(served, made["id"], order="asc")

    assert [item["type"] for item in found["data"]] == [item.get("type", "message") for item in INPUT]
    assert found["data"][1]["content"] == INPUT[1]["content"]
    assert [found["data"][index]["id"] for index in (2, 3)] == ["rs_1", "msg_1"]
    assert (found["first_id"], found["last_id"]) == (found["data"][0]["id"], found["data"][-1]["id"])
    assert found["has_more"] is False
    assert listed(served, made["id"])["data"] == found["data"][::-1]
    assert len({item["id"] for item in [*found["data"], *made["output"]]}) == len(INPUT) + 1


def test_a_list_has_pages(served: FlaskClient) -> None:
    made = make(served, input=[{"role": "user", "content": str(number)} for number in range(25)])
    seen, page = [], listed(served, made["id"], limit=10)
    while True:
        seen += [item["content"][0]["text"] for item in page["data"]]
        if not page["has_more"]:
            break
        page = listed(served, made["id"], limit=10, after=page["last_id"])

    assert seen == [str(number) for number in reversed(range(25))]
    assert len(listed(served, made["id"])["data"]) == 20


@pytest.mark.parametrize(
    ("arguments", "param"),
    [
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"order": "up"}, "order"),
        ({"after": "nothing"}, "after"),
    ],
    ids=str,
)
def test_a_wrong_page_is_named(served: FlaskClient, arguments: dict[str, str], param: str) -> None:
    made = make(served, input="a")
    response = served.get(f"{URL}/{made['id']}/input_items", query_string=arguments)

    assert (response.status_code, response.get_json()["error"]["param"]) == (400, param)


def test_a_reference_stands_for_its_item(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_generate = answer_with_a_call
    first = make(served, input="What?")
    references = [{"type": "item_reference", "id": item["id"]} for item in first["output"]]
    second = make(served, input=[{"role": "user", "content": "What?"}, *references, OUTPUT])

    assert [item["type"] for item in first["output"]] == ["reasoning", "message", "function_call"]
    assert asked(engine) == ["What?", "Let me see.", "42"]
    sent = engine.messages(wire.Generate)[-1].messages
    assert sent is not None
    assert [call["id"] for call in sent[1]["tool_calls"]] == ["call_1"]
    kept = listed(served, second["id"], order="asc")["data"]
    assert kept[1:4] == first["output"]
    for item in kept:
        check(ResponseItem, item)
    bare = make(served, input=[{"id": kept[0]["id"]}, {"role": "user", "content": "Again?"}])
    assert asked(engine) == ["What?", "Again?"], bare


@pytest.mark.parametrize("item_id", ["msg_none", "msg_" + "0" * 36, "\n", "x" * 254])
def test_an_unknown_reference_is_named(served: FlaskClient, item_id: str) -> None:
    items = [{"role": "user", "content": "a"}, {"type": "item_reference", "id": item_id}]

    assert refused(served, input=items) == (404, "input[1].id", "item_not_found")


def test_an_item_belongs_to_its_key_and_ends_with_its_response(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["sk-first", "sk-second"])).test_client()
    ann, bob = ({"Authorization": f"Bearer {key}"} for key in ("sk-first", "sk-second"))
    made = client.post(URL, json={"input": "a"}, headers=ann).get_json()
    body = {"input": [{"type": "item_reference", "id": made["output"][0]["id"]}, {"role": "user", "content": "b"}]}

    assert client.post(URL, json=body, headers=bob).status_code == 404
    assert client.post(URL, json=body, headers=ann).status_code == 200
    client.delete(f"{URL}/{made['id']}", headers=ann)
    assert client.post(URL, json=body, headers=ann).status_code == 404


def test_an_item_of_what_is_not_stored_is_unknown(served: FlaskClient) -> None:
    made = make(served, input="a", store=False)
    reference = {"type": "item_reference", "id": made["output"][0]["id"]}

    assert refused(served, input=[reference]) == (404, "input[0].id", "item_not_found")


@pytest.mark.parametrize(
    ("body", "texts"),
    [
        ({"input": "b"}, ["a", "one two", "b"]),
        (
            {"input": [{"role": "user", "content": "b"}, {"role": "developer", "content": "c"}]},
            ["a", "one two", "b", "c"],
        ),
        ({}, ["a", "one two"]),
        ({"input": None}, ["a", "one two"]),
        ({"input": []}, ["a", "one two"]),
        ({"input": "b", "instructions": "Be."}, ["Be.", "a", "one two", "b"]),
    ],
    ids=str,
)
def test_what_may_follow_a_response(
    served: FlaskClient, engine: FakeEngine, body: dict[str, Any], texts: list[str]
) -> None:
    first = make(served, input="a")
    made = make(served, previous_response_id=first["id"], **body)

    assert asked(engine) == texts
    assert made["previous_response_id"] == first["id"]


@pytest.mark.parametrize(
    "body", [{}, {"input": None}, {"input": []}, {"previous_response_id": None}, {"previous_response_id": ""}], ids=str
)
def test_nothing_is_no_request(served: FlaskClient, body: dict[str, Any]) -> None:
    assert refused(served, **body) == (400, "input", None)


def test_a_response_that_is_not_stored_is_not_continued(served: FlaskClient) -> None:
    made = make(served, input="a", store=False)
    expected = (400, "previous_response_id", "previous_response_not_found")

    assert refused(served, input="b", previous_response_id=made["id"]) == expected
    assert refused(served, input="b", previous_response_id="\n") == expected


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"metadata": {"a": "x" * 513}}, "metadata.a"),
        ({"metadata": {"a": ["b"]}}, "metadata.a"),
        ({"metadata": {"a": 10**400}}, "metadata.a"),
        ({"metadata": {str(number): "" for number in range(17)}}, "metadata"),
        ({"metadata": {"x" * 65: ""}}, "metadata"),
        ({"truncation": "some"}, "truncation"),
        ({"text": {"verbosity": "shouting"}}, "text.verbosity"),
        ({"top_logprobs": 21}, "top_logprobs"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt"),
        ({"input": [{"type": "item_reference"}]}, "input[0].id"),
        ({"input": [{"role": "user", "content": "a", "id": "x" * 255}]}, "input[0].id"),
        ({"input": [{"type": "item_reference", "id": "a"}] * 1001}, "input"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_cannot_be_meant_is_named(served: FlaskClient, body: dict[str, Any], param: str) -> None:
    assert refused(served, **{"input": "a", **body})[:2] == (400, param)


@pytest.mark.parametrize("role", ["system", "developer", "user", "assistant"])
@pytest.mark.parametrize(
    ("content", "text"),
    [(None, ""), ([], ""), ("", ""), (["a", {"type": "text", "text": "b"}], "ab")],
    ids=["null", "no parts", "no text", "strings and parts"],
)
def test_content_is_taken_as_clients_keep_it(
    served: FlaskClient, engine: FakeEngine, role: str, content: Any, text: str
) -> None:
    make(served, input=[{"role": role, "content": content}, {"role": "user", "content": "What?"}])

    assert asked(engine) == [text, "What?"]


@pytest.mark.parametrize(
    ("given", "taken"),
    [
        ({}, "{}"),
        ({"arguments": None}, "{}"),
        ({"arguments": ""}, "{}"),
        ({"arguments": []}, "{}"),
        ({"arguments": {"a": 1}}, '{"a":1}'),
        ({"arguments": '"{\\"a\\": 1}"'}, '{"a": 1}'),
        ({"arguments": '{"a": "P'}, '{"INVALID_JSON":"{\\"a\\": \\"P"}'),
    ],
    ids=str,
)
def test_arguments_are_taken_as_clients_keep_them(
    served: FlaskClient, engine: FakeEngine, given: dict[str, Any], taken: str
) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "f", **given}
    make(served, input=[{"role": "user", "content": "What?"}, call, OUTPUT])

    sent = engine.messages(wire.Generate)[-1].messages
    assert sent is not None
    assert sent[1]["tool_calls"][0]["function"]["arguments"] == taken


def test_a_message_without_content_is_named(served: FlaskClient) -> None:
    assert refused(served, input=[{"role": "user"}])[:2] == (400, "input[0].content")


def test_input_tokens_are_counted_without_an_answer(served: FlaskClient, engine: FakeEngine) -> None:
    def count(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=len(str(generate.messages))))
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [], "stop")]))

    first = make(served, input="a")
    engine.on_generate = count
    tool = {"type": "function", "name": "f"}
    body = {"input": "b", "previous_response_id": first["id"], "instructions": "Be.", "tools": [tool]}
    counted = served.post(f"{URL}/input_tokens", json=body).get_json()

    check(InputTokenCountResponse, counted)
    generate = engine.messages(wire.Generate)[-1]
    assert asked(engine) == ["Be.", "a", "one two", "b"]
    assert (generate.tokens_only, [each["function"]["name"] for each in generate.tools]) == ("counted", ["f"])
    assert counted == {"object": "response.input_tokens", "input_tokens": len(str(generate.messages))}
    assert served.post(f"{URL}/input_tokens", json={}).status_code == 400


def test_a_message_may_come_between_a_call_and_its_result(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_generate = answer_with_a_call
    first = make(served, input="What?")
    between = [{"role": "user", "content": "Quick!"}, OUTPUT, {"role": "user", "content": "Well?"}]
    make(served, input=between, previous_response_id=first["id"])

    assert asked(engine) == ["What?", "Let me see.", "Quick!", "42", "Well?"]
    wrong = [{"role": "user", "content": "b"}, {**OUTPUT, "call_id": "call_9"}]
    assert refused(served, input=wrong, previous_response_id=first["id"]) == (400, "input[1].call_id", None)
