"""From an HTTP request to its answer, through the real application and a scripted engine."""

import json
import logging
import re
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, welcome
from tests.schemas.requests.usage import usage
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from webapp.answering import sse

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"messages": [{"role": "user", "content": "Hello"}]},
    COMPLETIONS: {"prompt": "Hello"},
}
both_urls = pytest.mark.parametrize("url", BODIES)


@pytest.fixture(autouse=True)
def _pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test client reads a first event before it hands the response over; an engine that holds gives none."""
    monkeypatch.setattr(sse, "PING_SECONDS", 0.02)
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 1.0)


def events(text: str) -> list[Any]:
    payloads = [event.removeprefix("data: ") for event in text.split("\n\n")[:-1] if event != ": ping"]
    return [json.loads(payload) if payload.startswith("{") else payload for payload in payloads]


def text_of(url: str, choice: Any) -> Any:
    return choice["message"]["content"] if url == CHAT else choice["text"]


@both_urls
def test_a_whole_answer(served: FlaskClient, url: str) -> None:
    response = served.post(url, json={**BODIES[url], "n": 2})

    assert response.status_code == 200
    assert response.mimetype == "application/json"
    body = response.get_json()
    assert [text_of(url, choice) for choice in body["choices"]] == ["one two", "one two"]
    assert body["usage"] == usage(7, 4)
    assert response.headers["X-Request-ID"] == body["id"]


@both_urls
def test_a_streamed_answer(served: FlaskClient, url: str) -> None:
    response = served.post(url, json={**BODIES[url], "stream": True, "stream_options": {"include_usage": True}})

    assert response.status_code == 200
    assert response.content_type == "text/event-stream; charset=utf-8"
    assert (response.headers["Cache-Control"], response.headers["X-Accel-Buffering"]) == ("no-cache", "no")
    *chunks, counted, done = events(response.text)
    choices = [chunk["choices"][0] for chunk in chunks]
    texts = [choice["delta"].get("content", "") if url == CHAT else choice["text"] for choice in choices]
    assert "".join(texts) == "one two"
    assert counted["usage"] == usage(7, 2)
    assert done == "[DONE]"
    assert {chunk["id"] for chunk in chunks} == {response.headers["X-Request-ID"]}


@both_urls
def test_the_engine_gets_what_was_asked(served: FlaskClient, engine: FakeEngine, url: str) -> None:
    response = served.post(url, json={**BODIES[url], "temperature": 0.5, "user": "somebody"})
    (generate,) = engine.messages(wire.Generate)

    assert generate.name == response.get_json()["id"]
    assert (generate.messages, generate.prompts) == (BODIES[url].get("messages"), None if url == CHAT else ["Hello"])
    assert (generate.user, generate.sampling.temperature, generate.stream) == ("somebody", 0.5, False)


@pytest.mark.parametrize(
    ("fields", "has_seed"),
    [
        ({"stream": True}, False),
        ({"response_format": {"type": "json_object"}}, False),
        ({"stream": True, "response_format": {"type": "json_object"}}, True),
    ],
    ids=["text", "a whole structure", "a streamed structure"],
)
def test_what_is_generated_again_from_its_start_has_a_seed(
    served: FlaskClient, engine: FakeEngine, fields: dict[str, Any], has_seed: bool
) -> None:
    served.post(CHAT, json={**BODIES[CHAT], **fields}).close()
    (generate,) = engine.messages(wire.Generate)
    assert (generate.sampling.seed is not None) == has_seed


def test_a_forced_prompt_is_enforced(served: FlaskClient, engine: FakeEngine) -> None:
    served.post(CHAT, json={**BODIES[CHAT], "force_prompt": "Be brief."})

    (generate,) = engine.messages(wire.Generate)
    assert generate.messages == [{"role": "system", "content": "Be brief."}, *BODIES[CHAT]["messages"]]


@both_urls
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_what_the_engine_refuses_has_its_own_status(
    served: FlaskClient, engine: FakeEngine, url: str, stream: bool
) -> None:
    engine.on_generate = lambda engine, generate: engine.send(
        wire.Failed(
            id=generate.id, status=429, message="Full.", type="rate_limit_error", code="queue_full", retry_after=1
        )
    )
    response = served.post(url, json={**BODIES[url], "stream": stream})

    assert (response.status_code, response.mimetype) == (429, "application/json")
    assert response.headers["Retry-After"] == "1"
    assert response.get_json()["error"]["code"] == "queue_full"


def fail_half_way(engine: FakeEngine, generate: wire.Generate) -> None:
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "half", [1])]))
    engine.send(wire.Failed(id=generate.id, status=500, message="Broken.", type="server_error"))


@both_urls
def test_a_stream_that_fails_half_way_ends_with_the_error(served: FlaskClient, engine: FakeEngine, url: str) -> None:
    engine.on_generate = fail_half_way
    response = served.post(url, json={**BODIES[url], "stream": True})

    assert response.status_code == 200
    *chunks, last = events(response.text)
    assert "half" in json.dumps(chunks)
    assert last["error"] == {"message": "Broken.", "type": "server_error", "param": None, "code": None}


@both_urls
def test_a_whole_answer_that_fails_half_way_is_the_error(served: FlaskClient, engine: FakeEngine, url: str) -> None:
    engine.on_generate = fail_half_way
    response = served.post(url, json=BODIES[url])

    assert response.status_code == 500
    assert response.get_json()["error"]["message"] == "Broken."


@both_urls
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_restart_is_a_pause(served: FlaskClient, engine: FakeEngine, url: str, stream: bool) -> None:
    def die(engine: FakeEngine, generate: wire.Generate) -> None:
        if stream:
            engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
            engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one ", [1])]))
        engine.on_generate = go_on
        engine.restart("second")

    def go_on(engine: FakeEngine, generate: wire.Generate) -> None:
        assert generate.sent == ({0: [1]} if stream else {})
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
        text, ids = ("two", [2]) if stream else ("one two", [1, 2])
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, text, ids, "stop")]))

    engine.on_generate = die
    body = {**BODIES[url], "stream": stream, **({"stream_options": {"include_usage": True}} if stream else {})}
    response = served.post(url, json=body)

    assert response.status_code == 200
    if stream:
        *chunks, usage, done = events(response.text)
        choices = [chunk["choices"][0] for chunk in chunks]
        texts = [choice["delta"].get("content", "") if url == CHAT else choice["text"] for choice in choices]
        assert ("".join(texts), usage["usage"]["completion_tokens"], done) == ("one two", 2, "[DONE]")
    else:
        assert text_of(url, response.get_json()["choices"][0]) == "one two"


@both_urls
def test_an_engine_that_does_not_come_back_ends_a_stream_with_a_word(
    make_app: MakeApp, engine: FakeEngine, url: str
) -> None:
    engine.on_generate = hold
    response = make_app(recovery_seconds=0.0).test_client().post(url, json={**BODIES[url], "stream": True})
    engine.on_hello = welcome("second", ready=False)

    assert events(response.text)[-1]["error"]["code"] == "engine_gone"


@both_urls
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_a_request_that_takes_too_long_is_ended_and_aborted(
    served: FlaskClient, engine: FakeEngine, url: str, stream: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.02)
    engine.on_generate = hold
    response = served.post(url, json={**BODIES[url], "stream": stream}, headers={"X-Request-Timeout": "0.1"})

    error = events(response.text)[-1]["error"] if stream else response.get_json()["error"]
    assert (error["code"], "0.1 s" in error["message"]) == ("request_timeout", True)
    assert response.status_code == (200 if stream else 504)
    wait_until(lambda: engine.messages(wire.Abort))


def test_the_server_sets_the_longest_time(make_app: MakeApp, engine: FakeEngine) -> None:
    engine.on_generate = hold
    client = make_app(request_seconds=0.1).test_client()
    response = client.post(CHAT, json=BODIES[CHAT], headers={"X-Request-Timeout": "3600"})

    assert (response.status_code, response.get_json()["error"]["code"]) == (504, "request_timeout")


@pytest.mark.parametrize("given", ["", "0", "-1", "soon", "nan"])
def test_a_timeout_that_is_no_time_is_named(served: FlaskClient, given: str) -> None:
    response = served.post(CHAT, json=BODIES[CHAT], headers={"X-Request-Timeout": given})

    assert (response.status_code, response.get_json()["error"]["param"]) == (400, "X-Request-Timeout")


def test_a_stream_that_is_closed_is_aborted(
    served: FlaskClient, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hearth.access")
    engine.on_generate = hold
    response = served.post(CHAT, json={**BODIES[CHAT], "stream": True})
    response.close()

    (generate,) = engine.messages(wire.Generate)
    wait_until(lambda: engine.messages(wire.Abort) == [wire.Abort(ids=[generate.id])])
    assert len(caplog.messages) == 1


@both_urls
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_each_answer_is_one_line_of_the_log(
    served: FlaskClient, caplog: pytest.LogCaptureFixture, url: str, stream: bool
) -> None:
    caplog.set_level(logging.INFO, "hearth.access")
    response = served.post(url, json={**BODIES[url], "stream": stream, "user": "somebody"})
    assert response.text
    response.close()

    (line,) = caplog.messages
    assert line.startswith(f"POST {url} 200 {response.headers['X-Request-ID']} ttft=0.")
    assert re.search(r"prompt_tokens=7 completion_tokens=2 finish=stop model=fake key=- user='somebody'$", line)


def test_a_refusal_is_a_line_with_its_status(
    served: FlaskClient, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hearth.access")
    engine.on_generate = lambda engine, generate: engine.send(wire.Failed(id=generate.id, status=400, message="No."))
    served.post(CHAT, json=BODIES[CHAT])

    assert caplog.messages[0].startswith(f"POST {CHAT} 400 chatcmpl-")


def test_an_engine_that_never_accepts_and_stays_away_is_a_503(
    make_app: MakeApp, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 15.0)

    def die(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.on_hello = welcome("second", ready=False)

    engine.on_generate = die
    response = make_app(recovery_seconds=0.0).test_client().post(CHAT, json={**BODIES[CHAT], "stream": True})

    assert (response.status_code, response.headers["Retry-After"]) == (503, "30")
    assert response.get_json()["error"]["code"] == "engine_gone"


@both_urls
@pytest.mark.parametrize("model", ["", "gpt-4o", "fake-alias", None], ids=repr)
def test_any_model_is_served_by_the_one_that_is_loaded(served: FlaskClient, url: str, model: str | None) -> None:
    assert served.post(url, json={**BODIES[url], "model": model}).get_json()["model"] == "fake"


@both_urls
@pytest.mark.parametrize(
    ("model", "status"), [("fake", 200), ("fake-alias", 200), ("gpt-4o", 404), ("", 404), ("FAKE", 404)]
)
def test_a_strict_server_serves_its_own_names_alone(
    engine: FakeEngine, make_app: MakeApp, url: str, model: str, status: int
) -> None:
    response = make_app(strict_model=True).test_client().post(url, json={**BODIES[url], "model": model})

    assert response.status_code == status
    if status == 404:
        error = response.get_json()["error"]
        assert (error["code"], error["param"]) == ("model_not_found", "model")
        assert engine.messages(wire.Generate) == []


@both_urls
def test_an_engine_that_loads_is_a_503_that_says_when_to_come_again(
    served: FlaskClient, engine: FakeEngine, url: str
) -> None:
    engine.on_hello = welcome(ready=False)
    response = served.post(url, json=BODIES[url])

    assert (response.status_code, response.headers["Retry-After"]) == (503, "5")
    assert response.get_json()["error"]["code"] == "engine_loading"


def test_a_tool_call_that_cannot_travel_is_a_400(served: FlaskClient) -> None:
    message = {"role": "assistant", "tool_calls": [{"number": 10**30}]}
    response = served.post(CHAT, json={"messages": [message]})

    assert response.status_code == 400
    assert served.post(CHAT, json=BODIES[CHAT]).status_code == 200
