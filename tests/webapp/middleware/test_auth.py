"""API keys: any of them opens, nothing else does, and probes need none."""

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.fake_engine import FakeEngine
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys, read_file
from webapp.engine import client as engine_client


@pytest.fixture
def locked(make_app: MakeApp, monkeypatch: pytest.MonkeyPatch) -> FlaskClient:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.02)
    return make_app(api_keys=parse_keys(["sk-first", "bob:sk-second"])).test_client()


@pytest.mark.parametrize(
    "header",
    ["Bearer sk-first", "Bearer sk-second", "bearer sk-first", "BEARER   sk-first"],
)
def test_each_key_opens(locked: FlaskClient, header: str) -> None:
    assert locked.get("/version", headers={"Authorization": header}).status_code == 200


def test_a_key_of_any_characters_opens(make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["钥匙"])).test_client()
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
        ("POST", "/"),
        ("DELETE", "/page/chat/chat.js"),
        ("GET", "/health/x"),
        ("GET", "/nowhere"),
        ("DELETE", "/v1/models"),
    ],
)
def test_everything_else_does_before_it_says_anything(locked: FlaskClient, method: str, path: str) -> None:
    assert locked.open(path, method=method).status_code == 401


def test_without_keys_the_door_is_open(client: FlaskClient) -> None:
    assert client.get("/version").status_code == 200
    assert client.get("/version", headers={"Authorization": "Bearer anything"}).status_code == 200


def test_a_key_that_has_a_colon_is_written_after_one(make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys([":sk:colon", "ann:sk:other"])).test_client()

    for key, status in (("sk:colon", 404), (":sk:colon", 401), ("sk:other", 404), ("ann:sk:other", 401)):
        assert client.get("/nowhere", headers={"Authorization": f"Bearer {key}"}).status_code == status


def test_a_caller_is_a_name_or_else_a_key() -> None:
    first, second, nameless, other = parse_keys(["ann:sk-1", "ann:sk-2", "sk-1", "sk-2"])

    assert first.scope == second.scope == "name:ann"
    assert len({first.scope, nameless.scope, other.scope}) == 3
    assert [key.name for key in (first, nameless, other)] == ["ann", "key-3", "key-4"]


def test_the_log_names_the_key_and_never_shows_it(
    make_app: MakeApp, engine: FakeEngine, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    app = make_app(api_keys=parse_keys(["ann:sk-secret"]))

    @app.post("/fails")
    def fails() -> str:
        raise RuntimeError("a defect")

    client = app.test_client()
    for key in ("sk-secret", "sk-secret2"):
        for path in ("/v1/completions", "/fails?key=1", "/nowhere"):
            client.post(path, json={"prompt": "x"}, headers={"Authorization": f"Bearer {key}"}).close()

    assert sum("key=ann" in line for line in caplog.messages) == 3, "a completion, a failure, an unknown path"
    assert sum("key=-" in line for line in caplog.messages) == 3, "a wrong key has no name"
    assert "sk-secret" not in caplog.text


@pytest.mark.parametrize(("mode", "warned"), [(0o600, False), (0o640, False), (0o644, True)])
def test_a_file_of_keys_that_others_can_read_is_warned_of(
    make_app: MakeApp, tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warned: bool
) -> None:
    file = tmp_path / "keys"
    file.write_text("sk-first")
    file.chmod(mode)
    make_app(api_keys=parse_keys(read_file(file)), api_keys_file=file)

    assert (f"every user of this host can read the API keys in {file}" in caplog.text) is warned
