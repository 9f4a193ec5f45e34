"""What probes, operators and clients ask about the server itself."""

import pytest
from flask.testing import FlaskClient

from schemas import wire
from schemas.shared.version import VERSION
from tests.fake_engine import FakeEngine, welcome

MODEL = {
    "object": "model",
    "created": 1_700_000_000,
    "owned_by": "hearth",
    "root": "/models/fake",
    "max_model_len": 512,
}


def test_health_and_readiness_of_a_ready_engine(served: FlaskClient) -> None:
    assert served.get("/ready").status_code == 200
    assert served.get("/health").get_json() == {
        "status": "ok",
        "engine": {"state": "ready", "stage": "ready", "progress": 1.0},
    }


def test_health_of_a_loading_engine_says_how_far_it_has_come(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_hello = welcome(ready=False)
    health = served.get("/health")

    assert health.status_code == 200
    assert health.get_json()["engine"] == {"state": "loading", "stage": "loading weights", "progress": 0.25}
    assert served.get("/ready").status_code == 503


def test_health_without_an_engine(client: FlaskClient) -> None:
    assert client.get("/health").get_json()["engine"] == {"state": "gone", "stage": "", "progress": 0.0}
    ready = client.get("/ready")
    assert (ready.status_code, ready.headers["Retry-After"]) == (503, "5")
    assert ready.get_json()["error"]["code"] == "engine_gone"


def test_health_of_an_engine_of_another_major_version(served: FlaskClient, engine: FakeEngine) -> None:
    engine.on_hello = wire.Refused(message="upgrade and restart the engine")

    assert served.get("/health").get_json()["engine"]["state"] == "incompatible"
    ready = served.get("/ready")
    assert ready.status_code == 503
    assert "upgrade and restart the engine" in ready.get_json()["error"]["message"]


def test_the_models_are_all_served_names(served: FlaskClient) -> None:
    assert served.get("/v1/models").get_json() == {
        "object": "list",
        "data": [{"id": "fake", **MODEL}, {"id": "fake-alias", **MODEL}],
    }


def test_one_model_is_found_by_its_name(served: FlaskClient, engine: FakeEngine) -> None:
    message = welcome()
    message.served_names = ["org/fake"]
    engine.on_hello = message

    assert served.get("/v1/models/org/fake").get_json() == {"id": "org/fake", **MODEL}


def test_another_model_is_not_found(served: FlaskClient) -> None:
    response = served.get("/v1/models/gpt-4o")

    assert response.status_code == 404
    assert response.get_json()["error"]["code"] == "model_not_found"


@pytest.mark.parametrize("path", ["/v1/models", "/v1/models/fake"])
def test_while_the_engine_loads_there_is_no_model_yet(served: FlaskClient, engine: FakeEngine, path: str) -> None:
    engine.on_hello = welcome(ready=False)

    assert served.get(path).status_code == 503


def test_the_version_tells_both_sides(served: FlaskClient, engine: FakeEngine) -> None:
    message = welcome()
    message.engine_version, message.minor, message.load_count = "9.9.9", wire.MINOR + 3, 2
    engine.on_hello = message

    assert served.get("/version").get_json() == {
        "version": VERSION,
        "protocol": f"{wire.MAJOR}.{wire.MINOR}",
        "engine": {
            "version": "9.9.9",
            "protocol": f"{wire.MAJOR}.{wire.MINOR + 3}",
            "fingerprint": "f1",
            "pid": 4242,
            "load_count": 2,
        },
    }


def test_the_version_without_an_engine_tells_one_side(client: FlaskClient) -> None:
    assert client.get("/version").get_json()["engine"] is None
