"""A body is announced as JSON, which a page of another origin cannot do without a preflight."""

import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from tests.webapp.conftest import MakeApp
from webapp.api_keys import parse_keys

URL = "/v1/completions"


def post(client: FlaskClient, media_type: str | None, body: bytes = b"{}", path: str = URL) -> TestResponse:
    return client.post(path, data=body, content_type=media_type)


@pytest.mark.parametrize(
    "media_type", ["application/json", "application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.x+json"]
)
def test_json_is_read(client: FlaskClient, media_type: str) -> None:
    response = post(client, media_type)
    assert (response.status_code, response.get_json()["error"]["param"]) == (400, "prompt")


@pytest.mark.parametrize("required", [True, False])
@pytest.mark.parametrize(
    "media_type", ["text/plain", "application/x-www-form-urlencoded", "text/json", "application/jsonp", "text/x+json"]
)
def test_anything_else_is_a_415(make_app: MakeApp, media_type: str, required: bool) -> None:
    response = post(make_app(require_json_type=required).test_client(), media_type)
    assert response.status_code == 415
    assert media_type in response.get_json()["error"]["message"]


@pytest.mark.parametrize(("required", "status"), [(True, 415), (False, 400)])
def test_no_media_type(make_app: MakeApp, required: bool, status: int) -> None:
    response = post(make_app(require_json_type=required).test_client(), None)
    assert response.status_code == status
    if required:
        assert "Content-Type" in response.get_json()["error"]["message"]


def test_a_chunked_body_is_a_body(client: FlaskClient) -> None:
    response = client.post(URL, data=b"{}", headers={"Transfer-Encoding": "chunked"})
    assert response.status_code == 415


def test_no_body_needs_none(client: FlaskClient) -> None:
    assert post(client, None, b"").status_code == 400
    assert client.get("/health").status_code == 200


@pytest.mark.parametrize(("path", "status"), [("/v1/nothing", 404), ("/v1/models", 405)])
def test_the_path_and_the_method_come_first(client: FlaskClient, path: str, status: int) -> None:
    assert post(client, None, path=path).status_code == status


def test_the_key_comes_first(make_app: MakeApp) -> None:
    assert post(make_app(api_keys=parse_keys(["sk-one"])).test_client(), None).status_code == 401
