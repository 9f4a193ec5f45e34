"""API keys: any of them opens, nothing else does, and probes need none."""

import pytest
from flask.testing import FlaskClient

from tests.webapp.conftest import MakeApp
from webapp import engine_client


@pytest.fixture
def locked(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.02)
    return make_app(api_keys=("sk-first", "sk-second")).test_client()


@pytest.mark.parametrize(
    "header",
    ["Bearer sk-first", "Bearer sk-second", "bearer sk-first", "BEARER   sk-first"],
)
def test_each_key_opens(locked: FlaskClient, header: str) -> None:
    assert locked.get("/version", headers={"Authorization": header}).status_code == 200


def test_a_key_of_any_characters_opens(make_app: MakeApp) -> None:
    client = make_app(api_keys=("钥匙",)).test_client()
    as_sent = "Bearer 钥匙".encode().decode("latin-1")

    assert client.get("/docs").status_code == 200
    assert client.get("/v1/nothing", headers={"Authorization": as_sent}).status_code == 404


@pytest.mark.parametrize(
    "header",
    [
        "Bearer sk-third",
        "Bearer sk-firs",
        "Bearer sk-first2",
        "Bearer SK-FIRST",
        "Bearer sk-first,sk-second",
        "Basic sk-first",
        "sk-first",
        "Bearer",
        "Bearer ",
        "",
        "Bearer \xe9",
    ],
)
def test_nothing_else_opens(locked: FlaskClient, header: str) -> None:
    response = locked.get("/version", headers={"Authorization": header})

    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"
    error = response.get_json()["error"]
    assert (error["code"], error["type"]) == ("invalid_api_key", "invalid_request_error")


def test_who_sends_no_key_is_told_how(locked: FlaskClient) -> None:
    error = locked.get("/version").get_json()["error"]

    assert error["message"] == "No API key provided: send `Authorization: Bearer <key>`."


def test_a_wrong_key_is_not_repeated(locked: FlaskClient) -> None:
    response = locked.get("/version", headers={"Authorization": "Bearer sk-secret-of-another-site"})

    assert "sk-secret" not in response.text


@pytest.mark.parametrize(("path", "status"), [("/health", 200), ("/ready", 503)])
def test_probes_need_no_key(locked: FlaskClient, path: str, status: int) -> None:
    assert locked.get(path).status_code == status


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/models"),
        ("GET", "/v1/models/fake"),
        ("POST", "/v1/chat/completions"),
        ("POST", "/v1/completions"),
        ("GET", "/health/"),
        ("GET", "/nowhere"),
        ("DELETE", "/v1/models"),
    ],
)
def test_everything_else_does_before_it_says_anything(locked: FlaskClient, method: str, path: str) -> None:
    assert locked.open(path, method=method).status_code == 401


def test_without_keys_the_door_is_open(client: FlaskClient) -> None:
    assert client.get("/version").status_code == 200
    assert client.get("/version", headers={"Authorization": "Bearer anything"}).status_code == 200
