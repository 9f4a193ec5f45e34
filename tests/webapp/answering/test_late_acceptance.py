"""A stream whose engine takes long to accept it: the headers are sent meanwhile, and what comes later is an event."""

import time
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, complete
from tests.schemas.requests.usage import usage
from tests.webapp.answering.test_answer import BODIES, CHAT, events
from tests.webapp.asking import never_accept
from webapp.answering import sse


def test_a_stream_that_the_engine_has_not_accepted_sends_its_headers_after_a_while(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.05)
    engine.on_generate = never_accept
    with served.post(CHAT, json={**BODIES[CHAT], "stream": True}, buffered=False) as response:
        assert response.status_code == 200
        assert next(iter(response.response)) == b": ping\n\n"


def test_a_refusal_that_comes_later_is_an_event(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.05)

    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        time.sleep(0.3)
        engine.send(wire.Failed(id=generate.id, status=400, message="Too long.", code="context_length_exceeded"))

    engine.on_generate = refuse
    response = served.post(CHAT, json={**BODIES[CHAT], "stream": True})
    assert response.status_code == 200
    assert [event["error"]["code"] for event in events(response.text)] == ["context_length_exceeded"]


@pytest.mark.parametrize(
    ("path", "body", "theirs", "ours"),
    [
        ("/v1/responses", {"input": "a"}, "messages", "input"),
        ("/v1/messages", {"max_tokens": 5, "messages": [{"role": "user", "content": "a"}]}, "stop", "stop_sequences"),
    ],
)
def test_a_late_refusal_names_the_field_as_its_api_does(
    served: FlaskClient,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    path: str,
    body: dict[str, Any],
    theirs: str,
    ours: str,
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.05)

    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        time.sleep(0.3)
        engine.send(wire.Failed(id=generate.id, status=400, message=f"`{theirs}` is too long.", param=theirs))

    engine.on_generate = refuse
    told = served.post(path, json={**body, "stream": True}).text
    assert f"`{ours}` is too long." in told


def test_an_acceptance_that_comes_later_is_counted(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 0.05)

    def accept(engine: FakeEngine, generate: wire.Generate) -> None:
        time.sleep(0.3)
        complete(engine, generate)

    engine.on_generate = accept
    body = {**BODIES[CHAT], "stream": True, "stream_options": {"include_usage": True}}
    *_, counted, done = events(served.post(CHAT, json=body).text)
    assert (counted["usage"], done) == (usage(7, 2), "[DONE]")
