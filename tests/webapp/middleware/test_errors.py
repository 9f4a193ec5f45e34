"""Every error is OpenAI's envelope, and names what is wrong."""

import logging
from typing import Any

import httpx
import pytest
from flask.testing import FlaskClient
from marshmallow import ValidationError
from openai import OpenAI

from schemas.errors import ApiError
from schemas.requests.reading.body import from_validation
from tests.webapp.conftest import MakeApp


def failing(make_app: MakeApp, error: Exception) -> FlaskClient:
    """A client of a server with one route, `/fail`, that raises `error`."""
    app = make_app()

    def fail() -> str:
        raise error

    app.add_url_rule("/fail", view_func=fail)
    return app.test_client()


def test_an_unknown_url_with_doubled_slashes_is_unknown_too(client: FlaskClient) -> None:
    response = client.get(environ_overrides={"PATH_INFO": "//v1/model", "RAW_URI": "//v1/model"})

    assert response.status_code == 404
    assert response.get_json()["error"]["code"] == "unknown_url"


def test_an_unknown_route_is_a_404_that_names_it(client: FlaskClient) -> None:
    response = client.post("/v1/chat/completion")

    assert response.status_code == 404
    assert response.get_json() == {
        "error": {
            "message": "Unknown request URL: POST /v1/chat/completion.",
            "type": "invalid_request_error",
            "param": None,
            "code": "unknown_url",
        }
    }


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("GET", "/v1/chat/completions", {"POST", "OPTIONS"}),
        ("PUT", "/v1/completions", {"POST", "OPTIONS"}),
        ("POST", "/health", {"GET", "HEAD", "OPTIONS"}),
    ],
)
def test_a_wrong_method_is_a_405_that_says_which_are_right(
    client: FlaskClient, method: str, path: str, allowed: set[str]
) -> None:
    response = client.open(path, method=method)

    assert response.status_code == 405
    assert set(response.headers["Allow"].split(", ")) == allowed
    error = response.get_json()["error"]
    assert (error["code"], error["message"]) == ("method_not_allowed", f"{method} is not allowed on {path}.")


def test_a_bug_is_a_500_that_tells_the_log_and_not_the_client(
    make_app: MakeApp, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR, "hearth.web"):
        response = failing(make_app, RuntimeError("the password is 1234")).get("/fail")

    assert response.status_code == 500
    assert response.get_json()["error"] == {
        "message": "The server had an error while processing your request.",
        "type": "server_error",
        "param": None,
        "code": "internal_error",
    }
    assert "the password is 1234" in caplog.text
    assert "GET /fail failed" in caplog.text


@pytest.mark.parametrize("retry_after", [None, 0, 7])
def test_retry_after_is_sent_where_it_is_known(make_app: MakeApp, retry_after: int | None) -> None:
    response = failing(make_app, ApiError(503, "Later.", retry_after=retry_after)).get("/fail")

    assert response.status_code == 503
    assert response.headers.get("Retry-After", type=int) == retry_after


@pytest.mark.parametrize("final", [True, False])
def test_openais_sdk_repeats_a_500_unless_it_is_final(make_app: MakeApp, final: bool) -> None:
    response = failing(make_app, ApiError(500, "Do not send it again.", final=final)).get("/fail")
    assert response.headers.get("X-Should-Retry") == ("false" if final else None)
    with OpenAI(api_key="none") as client:
        answer: Any = httpx.Response(500, headers=dict(response.headers))
        assert client._should_retry(answer) is not final


def test_only_a_401_asks_for_a_key(make_app: MakeApp) -> None:
    assert "WWW-Authenticate" in failing(make_app, ApiError(401, "Who?")).get("/fail").headers
    assert "WWW-Authenticate" not in failing(make_app, ApiError(403, "No.")).get("/fail").headers


def test_a_text_beyond_ascii_survives(make_app: MakeApp) -> None:
    response = failing(make_app, ApiError(400, '火 🔥 \x00 "quoted"')).get("/fail")

    assert response.get_json()["error"]["message"] == '火 🔥 \x00 "quoted"'


@pytest.mark.parametrize(
    ("messages", "param"),
    [
        ({"temperature": ["No."]}, "temperature"),
        ({"messages": {1: {"content": ["No."]}}}, "messages[1].content"),
        ({"prompt": {0: {2: ["No."]}}}, "prompt[0][2]"),
        ({"logit_bias": {"greeting": ["No."]}}, "logit_bias.greeting"),
        ({"stream_options": {"include_usage": ["No."]}}, "stream_options.include_usage"),
        ({"messages": {0: {"_schema": ["No."]}}}, "messages[0]"),
        ({"first": ["No."], "second": ["Never."]}, "first"),
        (["No.", "Never."], None),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_the_first_complaint_is_told_with_its_path(messages: Any, param: str | None) -> None:
    error = from_validation(ValidationError(messages))

    assert (error.status, error.param) == (400, param)
    assert error.message == (f"Invalid value for `{param}`: No." if param else "No.")


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": 5}]}, "messages[1].content"),
        ({"messages": [{"role": "wizard", "content": "a"}]}, "messages[0].role"),
        ({"messages": [5]}, "messages[0]"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "user", "content": [{"type": "text"}]}]}, "messages[0].content[0].text"),
        ({"messages": [{"role": "user", "content": "a"}], "stop": ["a", 5]}, "stop[1]"),
        ({"messages": [{"role": "user", "content": "a"}], "logit_bias": {"b": 101}}, "logit_bias.b"),
        ({"messages": [{"role": "user", "content": "a"}], "temperature": "hot"}, "temperature"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_field_is_a_400_that_names_it(client: FlaskClient, body: dict[str, Any], param: str) -> None:
    response = client.post("/v1/chat/completions", json=body)

    assert response.status_code == 400
    error = response.get_json()["error"]
    assert (error["param"], error["type"]) == (param, "invalid_request_error")
    assert error["message"].startswith(f"Invalid value for `{param}`: ")


def test_strict_fields_are_a_setting(make_app: MakeApp) -> None:
    body = {"messages": [{"role": "user", "content": "a"}], "mood": "good"}
    response = make_app(strict_fields=True).test_client().post("/v1/chat/completions", json=body)

    assert response.status_code == 400
    assert response.get_json()["error"]["param"] == "mood"
