"""`/v1/responses` over HTTP, with a scripted engine: what is kept, for whom, and what a failure brings."""

import threading
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, complete, welcome
from tests.sdk_types import events_of
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp
from webapp.answering import sse
from webapp.api_keys import parse_keys

URL = "/v1/responses"


@pytest.fixture
def served(engine: FakeEngine, make_app: MakeApp) -> FlaskClient:
    return make_app().test_client()


def test_a_response_belongs_to_its_key(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["sk-first", "sk-second"])).test_client()
    ann, bob = ({"Authorization": f"Bearer {key}"} for key in ("sk-first", "sk-second"))
    made = client.post(URL, json={"input": "Hello"}, headers=ann).get_json()

    assert client.get(f"{URL}/{made['id']}", headers=ann).get_json() == made
    for method in ("GET", "DELETE"):
        response = client.open(f"{URL}/{made['id']}", method=method, headers=bob)
        assert (response.status_code, response.get_json()["error"]["code"]) == (404, "response_not_found")
    stranger = client.post(URL, json={"input": "a", "previous_response_id": made["id"]}, headers=bob)
    assert (stranger.status_code, stranger.get_json()["error"]["param"]) == (400, "previous_response_id")
    assert stranger.get_json()["error"]["code"] == "previous_response_not_found"


def test_the_engine_hears_the_whole_conversation(served: FlaskClient, engine: FakeEngine) -> None:
    first = served.post(URL, json={"input": "a", "instructions": "Be brief."}).get_json()
    served.post(URL, json={"input": "b", "previous_response_id": first["id"]})

    asked = [generate.messages for generate in engine.messages(wire.Generate)]
    assert asked[0] == [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "a"}]
    assert asked[1] == [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": "one two"},
        {"role": "user", "content": "b"},
    ]


def test_an_error_calls_fields_as_this_api_does(served: FlaskClient) -> None:
    output = {"type": "function_call_output", "call_id": "x", "output": "a"}
    items = [{"type": "reasoning"}, {"role": "user", "content": "a"}, {"type": "web_search_call"}, output]
    error = served.post(URL, json={"input": items}).get_json()["error"]

    assert error["param"] == "input[3].call_id"
    assert error["message"].startswith("Invalid value for `input[3].call_id`")


def test_calls_of_other_servers_tools_are_text_or_left_out(served: FlaskClient, engine: FakeEngine) -> None:
    items = [
        {"role": "user", "content": "a"},
        {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}},
        {"type": "mcp_list_tools", "server_label": "x", "tools": []},
        {"type": "custom_tool_call", "call_id": "c1", "name": "apply_patch", "input": "*** Begin"},
        {"type": "custom_tool_call_output", "call_id": "c1", "output": {"ok": True}},
        {"type": "local_shell_call", "call_id": "c2", "action": {"type": "exec", "command": ["ls"]}},
        {"type": "local_shell_call_output", "id": "c2", "output": "a.txt"},
        {"type": "apply_patch_call", "call_id": "c4", "operation": {"type": "delete_file", "path": "a"}},
        {"type": "apply_patch_call_output", "call_id": "c4", "status": "completed", "output": "done"},
        {"type": "function_call", "call_id": "c3", "name": "f", "arguments": '{"a": "P'},
        {"type": "function_call_output", "call_id": "c3", "output": None},
    ]
    assert served.post(URL, json={"input": items}).status_code == 200

    (asked,) = engine.messages(wire.Generate)
    told = [
        (message["role"], [call["function"] for call in message.get("tool_calls", ())] or message["content"])
        for message in asked.messages or ()
    ]
    assert told == [
        ("user", "a"),
        ("assistant", [{"name": "apply_patch", "arguments": '{"input":"*** Begin"}'}]),
        ("tool", '{"ok": true}'),
        ("assistant", [{"name": "local_shell", "arguments": '{"action":{"command":["ls"],"type":"exec"}}'}]),
        ("tool", "a.txt"),
        (
            "assistant",
            [{"name": "apply_patch", "arguments": '{"operation":{"path":"a","type":"delete_file"}}'}],
        ),
        ("tool", "done"),
        ("assistant", [{"name": "f", "arguments": '{"INVALID_JSON":"{\\"a\\": \\"P"}'}]),
        ("tool", ""),
    ]


def test_a_tool_that_is_left_out_is_a_warning(served: FlaskClient) -> None:
    made = served.post(URL, json={"input": "a", "tools": [{"type": "web_search"}]}).get_json()

    assert made["warning"] == "This server does not run tools of type 'web_search': they were left out."


def test_a_field_of_chat_completions_is_a_warning(served: FlaskClient) -> None:
    others = {"stop": ["x"], "seed": 7, "guided_regex": "a", "response_format": None, "stream_options": {}}
    made = served.post(URL, json={"input": "a", **others}).get_json()

    assert made["warning"] == (
        "The Responses API has no such fields, and they have no effect: `guided_regex`, `seed`, `stop`."
    )


def test_a_tools_schema_is_called_as_this_api_does(served: FlaskClient, engine: FakeEngine) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        field = "tools[0].function.parameters.type"
        message = f"Invalid value for `{field}`: no."
        engine.send(wire.Failed(generate.id, 400, message, param=field))

    engine.on_generate = refuse
    error = served.post(URL, json={"input": "a", "tools": [{"type": "function", "name": "f"}]}).get_json()["error"]

    assert error["param"] == "tools[0].parameters.type"
    assert error["message"] == "Invalid value for `tools[0].parameters.type`: no."


def test_what_is_not_to_be_kept_is_not(served: FlaskClient) -> None:
    made = served.post(URL, json={"input": "a", "store": False}).get_json()

    assert served.get(f"{URL}/{made['id']}").status_code == 404


def test_a_stream_that_fails_says_so_and_is_not_kept(served: FlaskClient, engine: FakeEngine) -> None:
    def fail(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))
        engine.send(wire.Failed(generate.id, 500, "It broke.", "server_error", "internal_error"))

    engine.on_generate = fail
    told = events_of(served.post(URL, json={"input": "a", "stream": True}).text)

    assert told[-1]["type"] == "response.failed"
    assert told[-1]["response"]["error"] == {
        "code": "server_error",
        "message": "It broke.",
        "type": "internal_error",
        "param": None,
    }
    assert [item["status"] for item in told[-1]["response"]["output"]] == ["incomplete"]
    assert served.get(f"{URL}/{told[-1]['response']['id']}").status_code == 404


@pytest.mark.parametrize(
    ("status", "code"),
    [(500, "server_error"), (503, "server_error"), (429, "rate_limit_exceeded"), (400, "invalid_prompt")],
)
def test_a_failure_before_the_first_text_is_that_of_a_response(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch, status: int, code: str
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.05)  # after which the headers are sent without a text

    def fail(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        failed = wire.Failed(generate.id, status, "It broke.", "server_error", "internal_error")
        threading.Timer(0.3, engine.send, [failed]).start()

    engine.on_generate = fail
    told = events_of(served.post(URL, json={"input": "a", "stream": True}).text)

    assert [event["type"] for event in told] == ["response.created", "response.in_progress", "response.failed"]
    assert told[-1]["response"]["error"]["code"] == code


def test_reasoning_text_and_calls_are_items(served: FlaskClient, engine: FakeEngine) -> None:
    def call(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        for delta in (
            wire.Delta(generate.id, 0, "", [1], reasoning="Hm."),
            wire.Delta(generate.id, 0, "Let me look.", [2]),
            wire.Delta(generate.id, 0, "", [3], tool_calls=[wire.ToolCall(0, "call_1", "f", "{")]),
            wire.Delta(generate.id, 0, "", [4], "tool_calls", tool_calls=[wire.ToolCall(0, arguments="}")]),
        ):
            engine.send(wire.Deltas(batch=[delta]))

    engine.on_generate = call
    told = events_of(served.post(URL, json={"input": "a", "stream": True}).text)
    final = told[-1]["response"]

    assert [item["type"] for item in final["output"]] == ["reasoning", "message", "function_call"]
    assert [item["status"] for item in final["output"]] == ["completed"] * 3
    assert final["output"][2]["arguments"] == "{}"
    added = [event["item"]["type"] for event in told if event["type"] == "response.output_item.added"]
    assert added == ["reasoning", "message", "function_call"]
    assert served.get(f"{URL}/{final['id']}").get_json() == final


@pytest.mark.parametrize(
    ("url", "body", "field"),
    [
        (URL, {"input": "a", "tools": [{"type": "function", "name": "f"}]}, "tools"),
        ("/v1/completions", {"prompt": "a", "structured_outputs": {"regex": "a"}}, "structure"),
        ("/v1/completions", {"prompt": "a", "prompt_logprobs": 0}, "prompt_logprobs"),
        ("/tokenize", {"prompt": "a"}, "return_prompt_token_ids"),
    ],
)
def test_an_older_engine_is_not_asked_for_what_it_would_ignore(
    served: FlaskClient, engine: FakeEngine, url: str, body: dict[str, Any], field: str
) -> None:
    old = welcome("old")
    old.features = [wire.RESUMES]
    engine.on_hello = old
    response = served.post(url, json=body)

    assert (response.status_code, response.get_json()["error"]["param"]) == (400, field)
    assert engine.messages(wire.Generate) == []
    engine.on_generate = complete
    assert served.post("/v1/completions", json={"prompt": "a"}).status_code == 200
