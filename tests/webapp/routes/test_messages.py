"""`/v1/messages` over HTTP, with a scripted engine: what the engine hears, and every error in Anthropic's shape."""

from collections.abc import Iterator
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from schemas.errors import context_length_exceeded
from tests.fake_engine import LOADING, FakeEngine, welcome
from tests.sdk_types import message_of
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from webapp.answering import sse
from webapp.api_keys import parse_keys
from webapp.engine import client as engine_client

URL, COUNT = "/v1/messages", "/v1/messages/count_tokens"
HELLO: dict[str, Any] = {"max_tokens": 9, "messages": [{"role": "user", "content": "Hello"}]}


def error_in(response: Any, status: int, kind: str) -> str:
    """The message of an error, which is checked, as is the id that its header and its body name."""
    body = response.get_json()
    assert response.status_code == status, response.text
    assert (body["type"], body["error"]["type"]) == ("error", kind)
    assert body["request_id"] == response.headers["request-id"] == response.headers["X-Request-ID"]
    message: str = body["error"]["message"]
    return message


def test_a_message_and_its_id(served: FlaskClient, engine: FakeEngine) -> None:
    response = served.post(f"{URL}?beta=true", json={**HELLO, "system": "Be brief.", "model": "claude-opus"})
    body = response.get_json()
    assert (body["content"][0]["text"], body["stop_reason"], body["model"]) == ("one two", "end_turn", "fake")
    assert response.headers["request-id"] == body["id"]
    (asked,) = engine.messages(wire.Generate)
    assert asked.messages == [{"role": "system", "content": "Be brief."}, *HELLO["messages"]]


def test_a_stream(served: FlaskClient) -> None:
    headers = {"anthropic-version": "2023-06-01", "anthropic-beta": "x-2026-01-01", "X-Request-ID": "mine"}
    response = served.post(URL, json={**HELLO, "stream": True}, headers=headers)
    events = [line.removeprefix("event: ") for line in response.text.splitlines() if line.startswith("event: ")]
    assert events[:2] == ["message_start", "content_block_start"]
    assert events[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert "[DONE]" not in response.text
    assert response.headers["request-id"] == "mine"


def test_more_tokens_than_the_context_has_are_as_many_as_it_has(served: FlaskClient, engine: FakeEngine) -> None:
    for wanted in (32_000, -1, 9):
        served.post(URL, json={**HELLO, "max_tokens": wanted})
    asked = [generate.sampling.max_tokens for generate in engine.messages(wire.Generate)]
    assert asked == [welcome().max_model_len, None, 9]


def test_a_prompt_is_counted_as_it_would_be_answered(served: FlaskClient, engine: FakeEngine) -> None:
    turns = [*HELLO["messages"], {"role": "assistant", "content": "Once"}]
    body = {"messages": turns, "tools": [{"name": "f"}], "thinking": {"type": "disabled"}}
    assert served.post(COUNT, json=body).get_json() == {"input_tokens": 7}
    served.post(URL, json={"max_tokens": 1, **body})
    counted, answered = engine.messages(wire.Generate)
    assert counted.tokens_only == "counted"
    for name in ("messages", "tools", "tool_choice", "chat_template_kwargs", "continue_final_message"):
        assert getattr(counted, name) == getattr(answered, name)
    assert not counted.add_generation_prompt


@pytest.mark.parametrize(
    ("field", "ours"),
    [
        ("tools[0].function.parameters.type", "tools[0].input_schema.type"),
        ("tools[0].function.name", "tools[0].name"),
        ("response_format.schema", "output_config.format.schema"),
        ("stop", "stop_sequences"),
        ("messages", "messages"),
    ],
)
def test_an_error_calls_fields_as_this_api_does(served: FlaskClient, engine: FakeEngine, field: str, ours: str) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Failed(generate.id, 400, f"Invalid value for `{field}`: no.", param=field))

    engine.on_generate = refuse
    for body in (HELLO, {**HELLO, "stream": True}):
        message = error_in(served.post(URL, json=body), 400, "invalid_request_error")
        assert message == f"Invalid value for `{ours}`: no."


# ---- errors ------------------------------------------------------------------------------------------------------


@pytest.fixture
def locked(make_app: MakeApp, engine: FakeEngine) -> FlaskClient:
    return make_app(api_keys=parse_keys(["sk-first"]), max_body_bytes=2000, strict_model=True).test_client()


KEY = {"x-api-key": "sk-first"}


@pytest.mark.parametrize(
    ("request_", "status", "kind"),
    [
        ({"json": HELLO}, 401, "authentication_error"),
        ({"json": HELLO, "headers": {"x-api-key": "sk-second"}}, 401, "authentication_error"),
        ({"json": {**HELLO, "system": 9}, "headers": KEY}, 400, "invalid_request_error"),
        ({"data": b"{", "content_type": "application/json", "headers": KEY}, 400, "invalid_request_error"),
        ({"data": b"x" * 3000, "content_type": "application/json", "headers": KEY}, 413, "request_too_large"),
        ({"data": b"{}", "content_type": "text/plain", "headers": KEY}, 415, "invalid_request_error"),
        ({"method": "GET", "headers": KEY}, 405, "invalid_request_error"),
        ({"json": HELLO, "headers": {**KEY, "Origin": "http://evil.example"}}, 403, "permission_error"),
        (
            {"json": HELLO, "headers": {"Host": "evil.example"}, "environ_overrides": {"SERVER_NAME": "127.0.0.1"}},
            403,
            "permission_error",
        ),
        ({"json": HELLO, "headers": {**KEY, "Content-Encoding": "br"}}, 415, "invalid_request_error"),
    ],
)
@pytest.mark.parametrize("path", [URL, COUNT])
def test_every_error_has_anthropics_shape(
    locked: FlaskClient, path: str, request_: dict[str, Any], status: int, kind: str
) -> None:
    error_in(locked.open(path, **{"method": "POST", **request_}), status, kind)


@pytest.mark.parametrize("path", [f"{URL}/batches", f"{URL}/x/y", f"/{URL}/nothing/"])
def test_an_unknown_path_below_is_anthropics_and_others_are_not(locked: FlaskClient, path: str) -> None:
    given = {"PATH_INFO": path, "RAW_URI": path}
    error_in(locked.get(environ_overrides=given, headers=KEY), 404, "not_found_error")
    other = locked.get(f"{URL}s", headers=KEY)
    assert other.get_json()["error"]["code"] == "unknown_url"
    assert "request-id" not in other.headers


@pytest.mark.parametrize(
    ("body", "headers", "status", "kind"),
    [
        ({"model": "gpt"}, {}, 404, "not_found_error"),
        ({"temperature": 9}, {}, 400, "invalid_request_error"),
        ({"model": "fake"}, {"X-Request-Timeout": "none"}, 400, "invalid_request_error"),
    ],
)
def test_so_has_every_error_of_a_request_that_generates(
    locked: FlaskClient, body: dict[str, Any], headers: dict[str, str], status: int, kind: str
) -> None:
    error_in(locked.post(URL, json={**HELLO, **body}, headers={**KEY, **headers}), status, kind)


def test_a_client_that_names_its_request_finds_the_name_in_the_error(locked: FlaskClient) -> None:
    response = locked.post(URL, json={}, headers={**KEY, "X-Request-ID": "mine"})
    error_in(response, 400, "invalid_request_error")
    assert response.headers["request-id"] == "mine"


@pytest.mark.parametrize("headers", [KEY, {"Authorization": "Bearer sk-first"}, {**KEY, "Authorization": "Bearer x"}])
def test_either_key_opens(locked: FlaskClient, headers: dict[str, str]) -> None:
    body = {**HELLO, "model": "fake"}
    assert locked.post(URL, json=body, headers=headers).status_code == 200
    assert locked.post("/v1/completions", json={"prompt": "a", "model": "fake"}, headers=headers).status_code == 200


def test_a_busy_engine(served: FlaskClient, engine: FakeEngine) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(wire.Failed(generate.id, 429, "Full.", "rate_limit_error", "queue_full", retry_after=3))

    engine.on_generate = refuse
    response = served.post(URL, json={**HELLO, "stream": True})
    assert error_in(response, 429, "rate_limit_error") == "Full."
    assert response.headers["Retry-After"] == "3"


def test_an_engine_that_loads(served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 2.0)
    engine.on_hello = welcome(ready=False)
    assert engine.on_hello.load == LOADING
    for path in (URL, COUNT):
        response = served.post(path, json=HELLO)
        error_in(response, 503, "overloaded_error")
        assert "Retry-After" in response.headers


def test_a_bug_is_an_api_error(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> None:
    app = make_app()
    monkeypatch.setattr("webapp.routes.messages.request_body.load", lambda *_: 1 / 0)
    error_in(app.test_client().post(URL, json=HELLO), 500, "api_error")


def test_a_prompt_that_is_too_long(served: FlaskClient, engine: FakeEngine) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        error = context_length_exceeded(600, 512, "messages")
        engine.send(wire.Failed(generate.id, 400, error.message, code=error.code, param=error.param))

    engine.on_generate = refuse
    message = error_in(served.post(URL, json={**HELLO, "stream": True}), 400, "invalid_request_error")
    assert message.startswith("prompt is too long: This model's maximum context length is 512 tokens")


def test_a_stream_that_fails_later_ends_with_an_event(served: FlaskClient, engine: FakeEngine) -> None:
    def fail(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))
        engine.send(wire.Failed(generate.id, 500, "It broke.", "server_error", "internal_error"))

    engine.on_generate = fail
    told = served.post(URL, json={**HELLO, "stream": True}).text
    assert told.endswith("\n\n")
    last = told.removesuffix("\n\n").split("\n\n")[-1]
    assert last.startswith('event: error\ndata: {"type":"error","error":{"type":"api_error","message":"It broke."}')


def test_a_stream_goes_on_when_its_engine_is_lost(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire, "PING_INTERVAL", 0.02)

    def lose(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        if generate.sent:
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "two", [2], "stop")]))
        else:
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))

    engine.on_generate = lose
    response = served.post(URL, json={**HELLO, "stream": True}, buffered=False)
    chunks: Iterator[bytes] = response.response  # type: ignore[assignment]
    begin = next(chunks)
    engine.restart("second")
    message = message_of(begin + b"".join(chunks))
    assert message.to_dict()["content"] == [{"citations": None, "text": "one two", "type": "text"}]
    assert (message.usage.output_tokens, len(engine.messages(wire.Generate))) == (2, 2)


def test_a_silent_engine_is_told_by_pings_before_the_message(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.0)
    held: list[wire.Generate] = []
    engine.on_generate = lambda engine, generate: held.append(generate)
    chunks: Iterator[bytes] = served.post(URL, json={**HELLO, "stream": True}, buffered=False).response  # type: ignore[assignment]
    pinged = next(chunks)
    assert pinged == b'event: ping\ndata: {"type":"ping"}\n\n'
    wait_until(lambda: held)
    (generate,) = held
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one", [1], "stop")]))
    assert message_of(pinged + b"".join(chunks)).usage.input_tokens == 7
