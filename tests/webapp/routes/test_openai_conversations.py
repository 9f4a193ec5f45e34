"""OpenAI's `/v1/conversations` over HTTP, beside `conversation_id` of chat completions."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from openai.types.conversations import Conversation, ConversationDeletedResource, ConversationItem, ConversationItemList

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.sdk_types import check
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys

ROOT = "/v1/conversations"
CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "42"}


def user(text: str) -> dict[str, str]:
    return {"role": "user", "content": text}


def post(client: FlaskClient, path: str, kind: Any, **body: Any) -> Any:
    response = client.post(path, json=body)
    assert response.status_code == 200, response.text
    check(kind, response.get_json())
    return response.get_json()


def items(client: FlaskClient, name: str, **arguments: Any) -> Any:
    found = client.get(f"{ROOT}/{name}/items", query_string={"order": "asc", **arguments}).get_json()
    check(ConversationItemList, found)
    return found["data"]


def texts(found: list[dict[str, Any]]) -> list[str]:
    return [part["text"] for item in found for part in item.get("content", ())]


def asked(engine: FakeEngine) -> list[Any]:
    return [message["content"] for message in engine.messages(wire.Generate)[-1].messages or ()]


def test_a_conversation_is_made_changed_and_deleted(served: FlaskClient) -> None:
    made = post(served, ROOT, Conversation, metadata={"topic": "tea"}, items=[user("a")])
    path = f"{ROOT}/{made['id']}"

    assert made["id"].startswith("conv_")
    assert made["metadata"] == {"topic": "tea"}
    assert served.get(path).get_json() == made | {"updated_at": made["created_at"], "messages": [user("a")]}
    changed = post(served, path, Conversation, metadata={"topic": "coffee"})
    assert changed == made | {"metadata": {"topic": "coffee"}}
    assert served.get(path).get_json()["metadata"] == {"topic": "coffee"}
    assert served.get(path).get_json()["messages"] == [user("a")]
    deleted = served.delete(path).get_json()
    check(ConversationDeletedResource, deleted)
    assert served.get(path).status_code == 404


@pytest.mark.parametrize("body", [{}, {"metadata": None, "items": None}, {"items": []}])
def test_an_empty_conversation_is_there(served: FlaskClient, body: dict[str, Any]) -> None:
    made = post(served, ROOT, Conversation, **body)

    assert served.get(f"{ROOT}/{made['id']}").get_json()["messages"] == []
    listed = served.get(f"{ROOT}/{made['id']}/items").get_json()
    assert listed == {"object": "list", "data": [], "first_id": "", "last_id": "", "has_more": False}


def test_items_are_added_read_and_deleted(served: FlaskClient) -> None:
    name = post(served, ROOT, Conversation)["id"]
    added = post(served, f"{ROOT}/{name}/items", ConversationItemList, items=[user("a"), CALL, OUTPUT, user("b")])
    ids = [item["id"] for item in added["data"]]

    assert items(served, name) == added["data"]
    assert (added["first_id"], added["last_id"]) == (ids[0], ids[-1])
    one = served.get(f"{ROOT}/{name}/items/{ids[1]}").get_json()
    check(ConversationItem, one)
    assert one == added["data"][1]
    check(Conversation, served.delete(f"{ROOT}/{name}/items/{ids[3]}").get_json())
    assert [item["id"] for item in items(served, name)] == ids[:3]
    assert served.get(f"{ROOT}/{name}/items/{ids[3]}").status_code == 404
    assert served.delete(f"{ROOT}/{name}/items/{ids[3]}").status_code == 404
    assert served.get(f"{ROOT}/{name}").get_json()["messages"][-1]["role"] == "tool"


def test_a_session_as_the_agents_sdk_keeps_it(served: FlaskClient, engine: FakeEngine) -> None:
    """It creates a conversation, adds the items of each turn, reads them before the next, and takes back the last."""
    name = post(served, ROOT, Conversation, items=[])["id"]
    for question in ("a", "b"):
        history = items(served, name, limit=100)
        asking = {"input": [*history, user(question)], "store": False}
        answered = served.post("/v1/responses", json=asking).get_json()
        post(served, f"{ROOT}/{name}/items", ConversationItemList, items=[user(question), *answered["output"]])

    assert asked(engine) == ["a", "one two", "b"]
    assert texts(items(served, name)) == ["a", "one two", "b", "one two"]
    (last,) = served.get(f"{ROOT}/{name}/items?limit=1&order=desc").get_json()["data"]
    served.delete(f"{ROOT}/{name}/items/{last['id']}")
    assert texts(items(served, name)) == ["a", "one two", "b"]


def test_a_response_adds_its_items(served: FlaskClient, engine: FakeEngine) -> None:
    def call(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        calls = [wire.ToolCall(0, "call_1", "f", "{}")]
        delta = wire.Delta(generate.id, 0, "Wait.", [1], "tool_calls", reasoning="Hm.", tool_calls=calls)
        engine.send(wire.Deltas(batch=[delta]))

    name = post(served, ROOT, Conversation, items=[{"role": "system", "content": "Be."}])["id"]
    engine.on_generate = call
    for stream in (False, True):
        body = {"input": [user("a") if not stream else OUTPUT], "conversation": {"id": name}, "stream": stream}
        response = served.post("/v1/responses", json=body)
        response.get_data()
        if not stream:
            first = response.get_json()

    found = items(served, name)
    kinds = ["message", "message", "reasoning", "message", "function_call", "function_call_output"]
    assert [item["type"] for item in found] == [*kinds, "reasoning", "message", "function_call"]
    assert found[2:5] == first["output"]
    assert asked(engine) == ["Be.", "a", "Wait.", "42"]
    assert first["conversation"] == {"id": name}


def test_what_a_chat_has_stored_is_items_with_ids_that_stay(served: FlaskClient, engine: FakeEngine) -> None:
    for number in range(2):
        messages = [{"role": "system", "content": "Be."}, user(str(number))]
        served.post("/v1/chat/completions", json={"messages": messages, "conversation_id": 42})
    found = items(served, "42")

    assert texts(found) == ["Be.", "0", "one two", "1", "one two"]
    assert items(served, "42") == found
    assert len({item["id"] for item in found}) == 5
    served.delete(f"{ROOT}/42/items/{found[2]['id']}")
    assert texts(items(served, "42")) == ["Be.", "0", "1", "one two"]
    served.post("/v1/chat/completions", json={"messages": [user("2")], "conversation_id": 42})
    assert asked(engine) == ["Be.", "0", "1", "one two", "2"]


def test_calls_in_one_message_are_deleted_one_by_one(served: FlaskClient, engine: FakeEngine) -> None:
    calls = [{"id": f"call_{n}", "type": "function", "function": {"name": "f", "arguments": "{}"}} for n in range(2)]
    results = [{"role": "tool", "tool_call_id": f"call_{n}", "content": "42"} for n in range(2)]
    messages = [user("a"), {"role": "assistant", "content": "Wait.", "tool_calls": calls}, *results]
    served.post("/v1/chat/completions", json={"messages": messages, "conversation_id": "c"})
    found = items(served, "c")
    assert [item["type"] for item in found[1:4]] == ["message", "function_call", "function_call"]
    for item in (found[3], found[5]):
        served.delete(f"{ROOT}/c/items/{item['id']}")

    kept = served.get(f"{ROOT}/c").get_json()["messages"]
    assert kept[1] == {"role": "assistant", "content": "Wait.", "tool_calls": calls[:1]}
    assert kept[2] == {"role": "tool", "tool_call_id": "call_0", "content": "42"}


def test_a_new_system_message_takes_the_place_of_the_first(served: FlaskClient, engine: FakeEngine) -> None:
    name = post(served, ROOT, Conversation, items=[{"role": "system", "content": "Be."}, user("a")])["id"]
    messages = [{"role": "system", "content": "Be brief."}, user("b")]
    served.post("/v1/chat/completions", json={"messages": messages, "conversation_id": name})

    assert asked(engine) == ["Be brief.", "a", "b"]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", f"{ROOT}/none"),
        ("POST", f"{ROOT}/none"),
        ("DELETE", f"{ROOT}/none"),
        ("GET", f"{ROOT}/none/items"),
        ("POST", f"{ROOT}/none/items"),
        ("GET", f"{ROOT}/none/items/msg_1"),
        ("DELETE", f"{ROOT}/none/items/msg_1"),
    ],
)
def test_an_unknown_conversation_is_a_404(served: FlaskClient, method: str, path: str) -> None:
    body = {"items": [user("a")], "metadata": {}} if method == "POST" else None
    response = served.open(path, method=method, json=body)

    assert (response.status_code, response.get_json()["error"]["code"]) == (404, "conversation_not_found")


def test_a_conversation_belongs_to_its_key(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["sk-first", "sk-second"])).test_client()
    ann, bob = ({"Authorization": f"Bearer {key}"} for key in ("sk-first", "sk-second"))
    made = client.post(ROOT, json={"items": [user("a")]}, headers=ann).get_json()
    for method, path in (("GET", ""), ("GET", "/items"), ("POST", "/items"), ("POST", ""), ("DELETE", "")):
        response = client.open(f"{ROOT}/{made['id']}{path}", method=method, json={"items": []}, headers=bob)
        assert response.status_code == 404, (method, path)


def test_a_conversation_has_a_largest_size(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(conversation_each_mb=500 / 2**20).test_client()
    made = client.post(ROOT, json={"items": [user("a")]}).get_json()
    for path in (ROOT, f"{ROOT}/{made['id']}/items"):
        response = client.post(path, json={"items": [user("b" * 500)]})
        assert (response.status_code, response.get_json()["error"]["code"]) == (400, "conversation_too_long")


@pytest.mark.parametrize(
    ("body", "param"),
    [({}, "items"), ({"items": [{"role": "wizard"}]}, "items[0].role"), ({"items": [{"id": "msg_0"}]}, "items[0].id")],
)
def test_wrong_items_are_named(served: FlaskClient, body: dict[str, Any], param: str) -> None:
    name = post(served, ROOT, Conversation)["id"]
    response = served.post(f"{ROOT}/{name}/items", json=body)

    assert response.status_code in (400, 404)
    assert response.get_json()["error"]["param"] == param


def test_a_result_whose_call_was_deleted_is_named(served: FlaskClient) -> None:
    name = post(served, ROOT, Conversation, items=[user("a"), CALL, OUTPUT])["id"]
    served.delete(f"{ROOT}/{name}/items/{items(served, name)[1]['id']}")
    for body in ({}, {"input": "b"}):
        response = served.post("/v1/responses", json={"conversation": name, **body})
        assert (response.status_code, response.get_json()["error"]["param"]) == (400, "input")
