"""A stream that fails after its headers is logged, traced and counted as what became of it, not as its 200."""

import logging
from collections.abc import Callable
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, welcome
from tests.webapp.asking import hold
from tests.webapp.conftest import MakeApp, wait_until
from webapp.answering import sse
from webapp.engine import reply
from webapp.observing import metrics, traces

CHAT, COMPLETIONS, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
BODIES: list[tuple[str, dict[str, Any]]] = [
    (CHAT, {"messages": [{"role": "user", "content": "Hello"}]}),
    (COMPLETIONS, {"prompt": "Hello"}),
    (CHAT, {"messages": [{"role": "user", "content": "Hello"}], "conversation_id": "ours"}),
    (RESPONSES, {"input": "Hello"}),
]
each_stream = pytest.mark.parametrize(
    ("url", "body"), BODIES, ids=["chat", "completions", "stored conversation", "responses"]
)


@pytest.fixture(autouse=True)
def _pings(monkeypatch: pytest.MonkeyPatch) -> None:
    """The test client reads a first event before it hands the response over; an engine that holds gives none."""
    monkeypatch.setattr(sse, "PING_SECONDS", 0.02)
    monkeypatch.setattr(sse, "HEADERS_SECONDS", 1.0)


@pytest.fixture
def became(caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], list[int]]:
    """Returns the statuses that the log, the trace and the counter have of `url`, each once for each request."""
    caplog.set_level(logging.INFO, "hearth.access")
    traced: list[int] = []
    monkeypatch.setattr(traces, "end", lambda span, fields: traced.append(fields["status"]))
    before = counted()

    def found(url: str) -> list[int]:
        logged = [record.fields["status"] for record in caplog.records if record.name == "hearth.access"]  # type: ignore[attr-defined]
        gained = {key: count - before.get(key, 0) for key, count in counted().items()}
        in_metrics = [int(status) for (path, status), count in gained.items() if path == url for _ in range(int(count))]
        assert logged == traced
        assert sorted(logged) == sorted(in_metrics)
        return logged

    return found


def counted() -> dict[tuple[str, str], float]:
    """`hearth_http_requests_total` by path and status."""
    samples = [sample for metric in metrics.REQUESTS.collect() for sample in metric.samples]
    return {
        (sample.labels["path"], sample.labels["status"]): sample.value
        for sample in samples
        if sample.name.endswith("_total")
    }


def begin(engine: FakeEngine, generate: wire.Generate) -> None:
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "half", [1])]))


@each_stream
def test_one_that_is_sent_to_its_end(
    served: FlaskClient, became: Callable[[str], list[int]], url: str, body: dict[str, Any]
) -> None:
    served.post(url, json={**body, "stream": True}).close()
    response = served.post(url, json={**body, "stream": True})
    assert response.text
    response.close()

    assert became(url)[1:] == [200]


@each_stream
def test_an_error_of_the_engine(
    served: FlaskClient, engine: FakeEngine, became: Callable[[str], list[int]], url: str, body: dict[str, Any]
) -> None:
    def fail(engine: FakeEngine, generate: wire.Generate) -> None:
        begin(engine, generate)
        engine.send(wire.Failed(id=generate.id, status=500, message="Broken.", type="server_error"))

    engine.on_generate = fail
    response = served.post(url, json={**body, "stream": True})
    assert "Broken." in response.text
    response.close()

    assert response.status_code == 200
    assert became(url) == [500]


@each_stream
def test_an_engine_that_is_lost(
    make_app: MakeApp, engine: FakeEngine, became: Callable[[str], list[int]], url: str, body: dict[str, Any]
) -> None:
    engine.on_generate = begin
    response = make_app(recovery_seconds=0.0).test_client().post(url, json={**body, "stream": True})
    engine.on_hello = welcome("second", ready=False)
    assert "engine_gone" in response.text
    response.close()

    assert became(url) == [503]


@each_stream
def test_a_time_limit(
    served: FlaskClient, engine: FakeEngine, became: Callable[[str], list[int]], url: str, body: dict[str, Any]
) -> None:
    engine.on_generate = hold
    response = served.post(url, json={**body, "stream": True}, headers={"X-Request-Timeout": "0.1"})
    assert "request_timeout" in response.text
    response.close()

    assert became(url) == [504]


@each_stream
def test_a_client_that_reads_too_slowly(
    served: FlaskClient,
    engine: FakeEngine,
    monkeypatch: pytest.MonkeyPatch,
    became: Callable[[str], list[int]],
    url: str,
    body: dict[str, Any],
) -> None:
    def flood(engine: FakeEngine, generate: wire.Generate) -> None:
        begin(engine, generate)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "x", [1]) for _ in range(20)]))

    monkeypatch.setattr(reply, "MAX_QUEUED", 10)
    engine.on_generate = flood
    response = served.post(url, json={**body, "stream": True})
    assert "slow_reader" in response.text
    response.close()

    assert became(url) == [503]


@each_stream
def test_a_client_that_hangs_up(
    served: FlaskClient, engine: FakeEngine, became: Callable[[str], list[int]], url: str, body: dict[str, Any]
) -> None:
    engine.on_generate = begin
    served.post(url, json={**body, "stream": True}).close()

    assert became(url) == [499]
    wait_until(lambda: engine.messages(wire.Abort))


def test_a_whole_answer_that_fails_is_counted_once(
    served: FlaskClient, engine: FakeEngine, became: Callable[[str], list[int]]
) -> None:
    engine.on_generate = lambda engine, generate: engine.send(wire.Failed(id=generate.id, status=500, message="No."))
    assert served.post(COMPLETIONS, json={"prompt": "Hello"}).status_code == 500

    assert became(COMPLETIONS) == [500]


def test_a_span_of_a_stream_that_failed_has_the_status_of_an_error() -> None:
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.trace import StatusCode

    for status, code in ((200, StatusCode.UNSET), (499, StatusCode.UNSET), (504, StatusCode.ERROR)):
        span = TracerProvider().get_tracer("test").start_span("POST")
        traces.end(span, {"status": status})
        assert span.status.status_code is code  # type: ignore[attr-defined]
        assert span.attributes["http.response.status_code"] == status  # type: ignore[attr-defined]
