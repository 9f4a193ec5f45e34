"""The short way of good requests: who takes it, and that its answers are those of Flask's way."""

import io
import json
import logging
import re
from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from prometheus_client import REGISTRY

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys
from webapp.routes.short_way import ShortWay

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
HELLO = {"messages": [{"role": "user", "content": "Hello"}]}
KEY = {"Authorization": "Bearer secret"}

Long = Callable[[Flask], list[str]]


@pytest.fixture
def long(monkeypatch: pytest.MonkeyPatch) -> Long:
    """The paths of the requests that take Flask's way, as they come."""

    def watch(app: Flask) -> list[str]:
        way: Any = app.wsgi_app
        paths: list[str] = []
        flask = way._flask

        def counted(environ: dict[str, Any], start_response: Any) -> Any:
            paths.append(environ["PATH_INFO"])
            return flask(environ, start_response)

        monkeypatch.setattr(way, "_flask", counted)
        return paths

    return watch


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize("body", [HELLO, {**HELLO, "stream": True}, {**HELLO, "unknown": 1}])
def test_a_good_request_takes_it(make_app: MakeApp, long: Long, body: dict[str, Any]) -> None:
    app = make_app()
    taken = long(app)
    assert app.test_client().post(CHAT, json=body).status_code == 200
    assert app.test_client().post(COMPLETIONS, json={"prompt": "a"}).status_code == 200
    assert taken == []


@pytest.mark.usefixtures("engine")
@pytest.mark.parametrize(
    "request_",
    [
        {"json": {**HELLO, "temperature": 9}},
        {"json": {**HELLO, "conversation_id": 1}},
        {"json": {"messages": [{"role": "tool", "content": "a", "tool_call_id": "none"}]}},
        {"data": b"{", "content_type": "application/json"},
        {"data": b"{}", "content_type": "text/plain"},
        {"json": HELLO, "headers": {"Origin": "http://localhost"}},
        {"json": HELLO, "headers": {"X-Request-Timeout": "none"}},
        {"json": HELLO, "headers": {"Host": "evil.example"}, "environ_overrides": {"SERVER_NAME": "127.0.0.1"}},
        {"input_stream": io.BytesIO(b"short"), "content_type": "application/json", "content_length": 9},
        {"json": {"messages": [{"role": "user", "content": "a" * 70_000}]}},
        {"json": HELLO, "headers": {"Content-Encoding": "gzip"}},
        {"data": json.dumps(HELLO).encode("utf-16"), "content_type": "application/json"},
    ],
)
def test_whatever_needs_a_decision_is_left_to_flask(make_app: MakeApp, long: Long, request_: dict[str, Any]) -> None:
    app = make_app()
    taken = long(app)
    app.test_client().post(CHAT, **request_)
    assert taken == [CHAT]


@pytest.mark.usefixtures("engine")
def test_a_key_is_checked(make_app: MakeApp, long: Long) -> None:
    app = make_app(api_keys=parse_keys(["me:secret"]))
    taken = long(app)
    assert app.test_client().post(CHAT, json=HELLO, headers=KEY).status_code == 200
    assert taken == []
    assert app.test_client().post(CHAT, json=HELLO).status_code == 401
    assert app.test_client().post(CHAT, json=HELLO, headers={"Authorization": "Bearer other"}).status_code == 401
    assert taken == [CHAT, CHAT]


def both(make_app: MakeApp, **changes: Any) -> list[FlaskClient]:
    """Return a client of the short way and one of Flask's."""
    short, long = make_app(**changes), make_app(**changes)
    way: Any = long.wsgi_app
    assert isinstance(way, ShortWay)
    long.wsgi_app = way._flask  # type: ignore[assignment, method-assign]
    return [short.test_client(), long.test_client()]


def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
    engine.send(wire.Failed(id=generate.id, status=429, message="Full.", code="queue_full", retry_after=3))


def complete(engine: FakeEngine, generate: wire.Generate) -> None:
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "one", [1], "stop")]))


def anonymous(text: str) -> str:
    """Return `text` without what differs between two answers: ids and times."""
    return re.sub(r'[0-9a-f]{32}|"created":\d+', "*", text)


def counted() -> dict[str, float]:
    """The web tier's metrics that are counts."""
    return {
        f"{sample.name}{sample.labels}": sample.value
        for metric in REGISTRY.collect()
        for sample in metric.samples
        if metric.name.startswith("hearth_") and sample.name.endswith(("_total", "_count"))
    }


@pytest.mark.parametrize("script", [complete, refuse])
@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("headers", [{}, {"X-Request-ID": "mine"}])
@pytest.mark.parametrize("origins", [(), ("https://chat.example",)])
def test_both_ways_have_the_same_answer(
    engine: FakeEngine,
    make_app: MakeApp,
    caplog: pytest.LogCaptureFixture,
    script: Any,
    stream: bool,
    headers: dict[str, str],
    origins: tuple[str, ...],
) -> None:
    engine.on_generate = script
    caplog.set_level(logging.INFO, "hearth.access")
    seen = []
    for client in both(make_app, cors_origins=origins):
        caplog.clear()
        before = counted()
        response = client.post(CHAT, json={**HELLO, "stream": stream, "user": "me"}, headers=headers)
        text = response.text
        response.close()
        after = counted()
        (record,) = [record for record in caplog.records if record.name == "hearth.access"]
        fields = {**record.fields, "ttft": None, "total": None}  # type: ignore[attr-defined]
        sent = {name: anonymous(value) for name, value in response.headers.items() if name != "Content-Length"}
        changes = {metric: value - before.get(metric, 0) for metric, value in after.items()}
        seen.append(
            (
                response.status_code,
                sent,
                anonymous(text),
                {**fields, "id": "ID"},
                {metric: change for metric, change in changes.items() if change},
            )
        )
    assert seen[0] == seen[1]
