"""Paths as base URLs make them, and the methods that every path has."""

import pytest
from flask.testing import FlaskClient

from tests.fake_engine import FakeEngine
from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys


def at(path: str) -> dict[str, str]:
    """The environment of a request for `path` as it is: the test client would take `//v1` for a host."""
    return {"PATH_INFO": path, "RAW_URI": path}


@pytest.mark.parametrize("path", ["//v1/models", "/v1//models", "///v1///models", "/v1/models/", "//v1/models//"])
def test_slashes_too_many_are_forgiven(served: FlaskClient, path: str) -> None:
    response = served.get(environ_overrides=at(path))
    assert response.status_code == 200
    assert response.get_json()["data"][0]["id"] == "fake"


def test_a_post_is_answered_and_not_redirected(served: FlaskClient) -> None:
    response = served.post(json={"prompt": "Once"}, environ_overrides=at("//v1/completions/"))
    assert response.status_code == 200


@pytest.mark.parametrize("path", ["//", "//v1/nothing", "/v1/model/s/"])
def test_other_paths_are_as_unknown_as_before(client: FlaskClient, path: str) -> None:
    assert client.get(environ_overrides=at(path)).status_code == (200 if path == "//" else 404)


def test_a_key_is_asked_for_however_many_slashes(make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["sk-one"])).test_client()
    assert client.get(environ_overrides=at("//v1//models/")).status_code == 401
    assert client.get(environ_overrides=at("//status/")).status_code == 200


@pytest.mark.parametrize("path", ["/", "/health", "/v1/models", "/metrics", "/openapi.json", "/docs", "/status.json"])
def test_head_is_get_without_the_body(served: FlaskClient, engine: FakeEngine, path: str) -> None:
    head = served.head(path)
    assert (head.status_code, head.data) == (200, b"")
    assert int(head.headers["Content-Length"]) > 0


def test_options_need_no_key_and_name_the_methods(make_app: MakeApp) -> None:
    client = make_app(api_keys=parse_keys(["sk-one"])).test_client()
    for path, methods in (("/v1/chat/completions", {"POST"}), ("/v1/models", {"GET", "HEAD"}), ("*", {"GET", "POST"})):
        response = client.options(environ_overrides=at(path))
        assert response.status_code == 200
        assert methods <= {name.strip() for name in response.headers["Allow"].split(",")}
    assert client.options(environ_overrides=at("/v1/nothing")).status_code == 404
