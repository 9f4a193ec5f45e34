"""`X-Request-ID`: in, out, and on to the engine."""

import logging
import re

import pytest
from flask.testing import FlaskClient

from schemas import wire
from tests.fake_engine import FakeEngine

BODY = {"prompt": "x"}


def test_a_clients_own_is_returned_logged_and_passed_on(
    served: FlaskClient, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "hearth.access")
    response = served.post("/v1/completions", json=BODY, headers={"X-Request-ID": "web-7/é".replace("é", "e")})
    response.close()
    assert response.headers["X-Request-ID"] == "web-7/e"
    (generate,) = engine.messages(wire.Generate)
    assert generate.request_id == "web-7/e"
    assert generate.log_name == f"{response.get_json()['id']} (web-7/e)"
    assert " request_id=web-7/e " in caplog.messages[-1]


@pytest.mark.parametrize("name", ["", "a b", "x" * 129, "a\x7f", "é"])
def test_what_no_log_can_take_is_not_taken(served: FlaskClient, engine: FakeEngine, name: str) -> None:
    response = served.post("/v1/completions", json=BODY, headers={"X-Request-ID": name})
    assert response.headers["X-Request-ID"] == response.get_json()["id"]
    (generate,) = engine.messages(wire.Generate)
    assert generate.request_id == ""


@pytest.mark.parametrize("path", ["/health", "/nowhere", "/v1/models", "/"])
def test_every_response_has_one(served: FlaskClient, path: str) -> None:
    assert re.fullmatch(r"[0-9a-f]{32}", served.get(path).headers["X-Request-ID"])
    assert served.get(path, headers={"X-Request-ID": "mine"}).headers["X-Request-ID"] == "mine"


def test_a_refused_request_is_a_line_too(served: FlaskClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "hearth.access")
    served.post("/v1/completions", json={"prompt": 5}, headers={"X-Request-ID": "mine"})
    served.get("/nowhere")
    served.get("/health")
    lines = [record.getMessage() for record in caplog.records if record.name == "hearth.access"]
    assert lines == ["POST /v1/completions 400 - key=- request_id=mine", "GET /nowhere 404 - key=-"]
