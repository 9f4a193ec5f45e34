"""Pages of other origins: none may use the server, unless a setting names them."""

from typing import Any

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys

CHAT = "/v1/chat/completions"
PAGE = "https://chat.example"
BODY = {"messages": [{"role": "user", "content": "Hello"}]}
ALLOW = "Access-Control-Allow-Origin"


@pytest.fixture
def shared(engine: FakeEngine, make_app: MakeApp) -> FlaskClient:
    """A client of a server that `PAGE` may use."""
    return make_app(cors_origins=(PAGE, "null")).test_client()


def post(client: FlaskClient, origin: str | None, host: str = "localhost:6006", **fields: Any) -> TestResponse:
    headers = {"Host": host} | ({} if origin is None else {"Origin": origin})
    return client.post(CHAT, json={**BODY, **fields}, headers=headers)


def preflight(client: FlaskClient, origin: str, path: str = CHAT, **headers: str) -> TestResponse:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type",
    }
    return client.options(path, headers={**asked, **headers})


@pytest.mark.parametrize(
    ("origin", "host"),
    [
        (None, "localhost:6006"),
        ("http://localhost:6006", "localhost:6006"),
        ("http://127.0.0.1:6006", "127.0.0.1:6006"),
        ("http://[::1]:6006", "[::1]:6006"),
        ("https://127.0.0.1", "127.0.0.1"),
        ("https://127.0.0.1:8443", "127.0.0.1"),
        ("http://LOCALHOST:6006", "localhost:6006"),
        ("https://localhost", "localhost:443"),
    ],
)
def test_the_same_origin_may_post(served: FlaskClient, origin: str | None, host: str) -> None:
    response = post(served, origin, host)
    assert response.status_code == 200
    assert ALLOW not in response.headers
    assert "Origin" not in response.vary


@pytest.mark.parametrize(
    "origin",
    [
        PAGE,
        "null",
        "http://localhost:3000",
        "http://localhost",
        "https://localhost",
        "http://localhost.evil.example:6006",
        "http://127.0.0.1:6006",
        "localhost:6006",
        "http://[",
        "http://localhost:x",
        "",
    ],
)
def test_another_origin_may_not(served: FlaskClient, engine: FakeEngine, origin: str) -> None:
    response = post(served, origin)
    error = response.get_json()["error"]
    assert (response.status_code, error["code"]) == (403, "origin_not_allowed")
    assert "HEARTH_CORS_ORIGINS" in error["message"]
    assert ALLOW not in response.headers
    assert engine.messages(wire.Generate) == []


def test_nor_delete(served: FlaskClient) -> None:
    assert served.delete("/v1/conversations/x", headers={"Origin": PAGE}).status_code == 403


def test_what_changes_nothing_is_answered_and_not_shared(served: FlaskClient) -> None:
    for path in ("/", "/v1/models", "/health"):
        response = served.get(path, headers={"Origin": PAGE})
        assert response.status_code == 200
        assert ALLOW not in response.headers


def test_by_default_no_preflight_is_granted(served: FlaskClient) -> None:
    response = preflight(served, PAGE)
    assert ALLOW not in response.headers
    assert response.headers["Allow"]


@pytest.mark.parametrize("origin", [PAGE, "null", "HTTPS://Chat.Example"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
def test_an_allowed_origin_may_post_and_read(shared: FlaskClient, origin: str, stream: bool) -> None:
    response = post(shared, origin, stream=stream)
    assert response.status_code == 200
    assert response.headers[ALLOW] == origin
    assert "Origin" in response.vary
    assert "X-Request-ID" in response.headers["Access-Control-Expose-Headers"]
    assert response.text


@pytest.mark.parametrize(
    ("path", "status"), [("/v1/nothing", 404), ("/v1/models", 405), (CHAT, 400)], ids=["404", "405", "400"]
)
def test_it_may_read_errors_too(shared: FlaskClient, path: str, status: int) -> None:
    response = shared.post(path, json={}, headers={"Origin": PAGE})
    assert (response.status_code, response.headers[ALLOW]) == (status, PAGE)


def test_others_still_may_not(shared: FlaskClient) -> None:
    response = post(shared, "https://evil.example")
    assert response.status_code == 403
    assert ALLOW not in response.headers
    assert "Origin" in response.vary


def test_responses_vary_for_those_without_an_origin_too(shared: FlaskClient) -> None:
    assert "Origin" in shared.get("/v1/models").vary


def test_a_star_allows_all(engine: FakeEngine, make_app: MakeApp) -> None:
    client = make_app(cors_origins=("*",)).test_client()
    assert post(client, "https://any.example").headers[ALLOW] == "*"
    assert preflight(client, "https://any.example").headers[ALLOW] == "*"


@pytest.mark.parametrize("path", [CHAT, "/v1/conversations/x", "/", "/v1/nothing"])
def test_a_preflight_needs_no_key_but_the_request_does(make_app: MakeApp, path: str) -> None:
    client = make_app(cors_origins=(PAGE,), api_keys=parse_keys(["sk-one"])).test_client()
    response = preflight(client, PAGE, path)
    assert (response.status_code, response.data) == (204, b"")
    assert response.headers[ALLOW] == PAGE
    assert {"GET", "POST", "DELETE"} <= set(response.headers["Access-Control-Allow-Methods"].split(", "))
    assert response.headers["Access-Control-Allow-Headers"] == "authorization,content-type"
    assert {"Origin", "Access-Control-Request-Headers"} <= set(response.vary)

    refused = post(client, PAGE)
    assert (refused.status_code, refused.headers[ALLOW]) == (401, PAGE)
    stranger = preflight(client, "https://evil.example", path)
    assert stranger.status_code == (404 if path == "/v1/nothing" else 200)
    assert ALLOW not in stranger.headers, "its browser sends no request"


def test_a_preflight_under_a_rebound_name_is_refused(shared: FlaskClient) -> None:
    assert preflight(shared, PAGE, Host="evil.example").status_code == 403


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/docs", CHAT])
def test_head_and_options_without_an_origin(served: FlaskClient, path: str) -> None:
    options = served.options(path)
    assert options.status_code == 200
    assert "OPTIONS" in options.headers["Allow"]
    assert served.head(path).status_code == (405 if path == CHAT else 200)
