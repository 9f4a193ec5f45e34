"""/metrics and /status.json, with an engine, with an older one and without."""

import os
from types import SimpleNamespace
from typing import Any

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine, welcome
from webapp.engine import questions
from webapp.routes import status


def series(client: FlaskClient) -> dict[str, float]:
    response = client.get("/metrics")
    assert response.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = [line for line in response.text.splitlines() if line and not line.startswith("#")]
    return {name: float(value) for name, _, value in (line.rpartition(" ") for line in lines)}


def test_metrics_are_both_tiers(served: FlaskClient, engine: FakeEngine) -> None:
    message = welcome()
    message.features = [wire.METRICS]
    message.load_count = 3
    engine.on_hello = message
    engine.metrics = "vllm:num_requests_running 2.0\n"
    before = series(served)
    served.post("/v1/completions", json={"prompt": "x"}).close()
    found = series(served)
    assert found['hearth_engine_state{state="ready"}'] == 1
    assert found['hearth_engine_state{state="gone"}'] == 0
    assert found["hearth_engine_loads_total"] == 3
    assert found["vllm:num_requests_running"] == 2
    gained = {name: value - before.get(name, 0) for name, value in found.items()}
    assert gained['hearth_http_requests_total{path="/v1/completions",status="200"}'] == 1
    assert gained['hearth_completion_tokens_total{path="/v1/completions"}'] == 2
    assert gained["hearth_requests_live"] == 0


@pytest.mark.parametrize("body", [{"prompt": "x", "n": 0}, {"prompt": "x"}])
def test_a_request_that_fails_is_not_live_for_ever(client: FlaskClient, body: dict[str, Any]) -> None:
    before = series(client)["hearth_requests_live"]
    assert client.post("/v1/completions", json=body).status_code in (400, 503)
    assert series(client)["hearth_requests_live"] == before


def test_unknown_paths_share_one_series(served: FlaskClient) -> None:
    for number in range(3):
        served.get(f"/no/{number}")
    found = series(served)
    assert 'hearth_http_requests_total{path="unknown",status="404"}' in found
    assert not any("/no/" in name for name in found)


def test_an_older_engine_is_not_waited_for(served: FlaskClient, engine: FakeEngine) -> None:
    assert 'hearth_engine_state{state="ready"}' in series(served)
    assert not any(isinstance(message, wire.AskMetrics) for message in engine.received)


def test_metrics_without_an_engine_say_so(client: FlaskClient) -> None:
    assert series(client)['hearth_engine_state{state="gone"}'] == 1


def test_an_engine_that_says_nothing_holds_nobody_up(
    served: FlaskClient, engine: FakeEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(questions, "ASK_SECONDS", 0.05)
    served.get("/health")
    engine.silent = True
    assert served.get("/status.json").status_code == 200
    assert served.get("/metrics").status_code == 200


def test_the_status_has_what_the_page_shows(served: FlaskClient, engine: FakeEngine) -> None:
    engine.pong = wire.Pong(instance="first", load=wire.Load(ready=True, progress=1.0), live=4, running=3, waiting=2)
    engine.stats = wire.Stats(
        ttft=wire.Histogram([0.1], [5, 1], 0.7), itl=wire.Histogram([0.1], [9, 0]), generated_tokens=10
    )
    told = served.get("/status.json").get_json()
    found = told["engine"]
    assert (found["state"], found["live"], found["running"], found["waiting"]) == ("ready", 4, 3, 2)
    assert found["served_names"] == ["fake", "fake-alias"]
    assert found["stats"]["ttft"] == {"bounds": [0.1], "counts": [5, 1], "total": 0.7}
    assert found["stats"]["generated_tokens"] == 10
    assert os.getpid() in [worker["pid"] for worker in told["web"]["workers"]]


def test_many_who_look_are_one_question_to_the_engine(served: FlaskClient, engine: FakeEngine) -> None:
    for _ in range(20):
        assert "stats" in served.get("/status.json").get_json()["engine"]
    assert len([message for message in engine.received if isinstance(message, wire.AskStats)]) < 5


def test_the_processes_are_looked_through_once_a_second(served: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[None] = []

    def look() -> list[Any]:
        looks.append(None)
        return []

    monkeypatch.setattr(status, "_find_workers", look)
    monkeypatch.setattr(status, "_workers", status._Workers())
    now = [1000.0]
    monkeypatch.setattr("webapp.routes.status.time", SimpleNamespace(monotonic=lambda: now[0]))
    for _ in range(20):
        served.get("/status.json")
    assert len(looks) == 1
    now[0] += status.KEPT_SECONDS
    served.get("/status.json")
    assert len(looks) == 2


def test_zeros_are_told_too(served: FlaskClient) -> None:
    stats = served.get("/status.json").get_json()["engine"]["stats"]
    assert stats == {
        "ttft": {"bounds": [0.1], "counts": [0, 0], "total": 0.0},
        "itl": {"bounds": [0.1], "counts": [0, 0], "total": 0.0},
        "prompt_tokens": 0,
        "generated_tokens": 0,
        "prefix_cache_queries": 0,
        "prefix_cache_hits": 0,
    }


def test_the_status_of_a_load(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_hello = welcome(ready=False)
    told = served.get("/status.json").get_json()["engine"]
    assert (told["state"], told["stage"], told["progress"]) == ("loading", "loading weights", 0.25)
    assert "model" not in told


def test_the_status_without_an_engine(client: FlaskClient) -> None:
    assert client.get("/status.json").get_json()["engine"] == {"state": "gone", "stage": "", "progress": 0.0}
