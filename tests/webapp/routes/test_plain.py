"""`POST /` over a fake engine: its shape, and its errors."""

import time

import pytest
from flask.testing import FlaskClient

from schemas import wire
from schemas.errors import context_length_exceeded
from tests.fake_engine import FakeEngine
from tests.schemas.openapi.test_document import check
from tests.webapp.conftest import MakeApp


def test_the_reply(served: FlaskClient) -> None:
    response = served.post("/", json={"prompt": "Hello", "history": [["a", "b"]]})
    reply = response.get_json()

    assert response.status_code == 200
    assert response.headers["X-Request-ID"].startswith("plain-")
    assert reply["response"] == "one two"
    assert reply["history"] == [["a", "b"], ["Hello", "one two"]]
    assert reply["status"] == 200
    assert abs(time.mktime(time.strptime(reply["time"], "%Y-%m-%d %H:%M:%S")) - time.time()) < 30
    assert list(reply) == ["response", "history", "status", "time"]
    check("Plain", reply)


def test_errors_have_openais_envelope_and_name_the_field(served: FlaskClient) -> None:
    response = served.post("/", json={"prompt": "Hello", "history": [["a", "b"], ["c"]]})

    assert response.status_code == 400
    assert response.get_json()["error"]["param"] == "history[1]"
    check("Error", response.get_json())


@pytest.mark.parametrize(("engines", "own"), [("messages", "prompt"), ("max_tokens", "max_length"), (None, None)])
def test_what_the_engine_refuses_has_this_apis_names(
    engine: FakeEngine, served: FlaskClient, engines: str | None, own: str | None
) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        error = context_length_exceeded(600, 512, "")
        engine.send(wire.Failed(id=generate.id, status=400, message=error.message, code=error.code, param=engines))

    engine.on_generate = refuse
    error = served.post("/", json={"prompt": "Hello"}).get_json()["error"]

    assert (error["param"], error["code"]) == (own, "context_length_exceeded")


def test_there_is_no_model_to_be_strict_about(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(strict_model=True).test_client()

    assert client.post("/", json={"prompt": "Hello"}).status_code == 200


def test_get_is_the_page(client: FlaskClient) -> None:
    assert client.get("/").content_type == "text/html; charset=utf-8"
    assert client.put("/").status_code == 405
