"""The body: JSON and nothing but JSON, whole, in time, and not too large."""

import gc
import io
import json
import tracemalloc
from typing import Any

import gevent
import pytest
from flask.testing import FlaskClient

from tests.webapp.conftest import MakeApp

URL = "/v1/chat/completions"


def post(client: FlaskClient, body: bytes, content_type: str | None = "application/json") -> tuple[int, dict[str, Any]]:
    response = client.post(URL, data=body, content_type=content_type)
    assert response.mimetype == "application/json"
    return response.status_code, response.get_json()["error"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b'{"messages": [}',
        b"{'messages': []}",
        b'{"messages": []} {}',
        b'{"model": "\xe9t\xe9"}',
        b"\xff\xfe{\x00",
        b"{\x00}\x00\xd8\x00",
    ],
    ids=["nothing", "cut", "a stray bracket", "quotes of Python", "two values", "Latin-1", "half UTF-16", "UTF-16?"],
)
def test_malformed_json_is_refused(client: FlaskClient, body: bytes) -> None:
    status, error = post(client, body)

    assert status == 400
    assert error["type"] == "invalid_request_error"
    assert error["message"].startswith("The body is not valid JSON: ")
    assert error["param"] is None


@pytest.mark.parametrize("body", [b"[]", b"null", b"5", b'"text"', b"true"])
def test_json_that_is_no_object_is_refused(client: FlaskClient, body: bytes) -> None:
    status, error = post(client, body)

    assert (status, error["message"]) == (400, "The body must be a JSON object.")


@pytest.mark.parametrize(
    "body",
    [b"[" * 10_000, b'{"a":' * 10_000, b'{"messages":' + b"[" * 10_000 + b"]" * 10_000 + b"}"],
    ids=["open arrays", "open objects", "whole"],
)
def test_ten_thousand_levels_are_refused(client: FlaskClient, body: bytes) -> None:
    status, error = post(client, body)

    assert (status, error["message"]) == (400, "The body is nested too deeply.")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_is_not_finite_is_named(client: FlaskClient, number: str) -> None:
    status, error = post(client, b'{"logit_bias": {"a": 1, "b": %b}}' % number.encode())

    assert status == 400
    assert error["param"] == "logit_bias.b"
    assert error["message"] == "Invalid value for `logit_bias.b`: Expected a finite number."


@pytest.mark.parametrize("escape", ["\\ud800", "\\udc00", "fine \\ud83d not"])
@pytest.mark.parametrize("body", ['{"messages": [{"role": "user", "content": "HERE"}]}', '{"model": "a", "HERE": 1}'])
def test_a_lone_surrogate_ends_no_session(client: FlaskClient, body: str, escape: str) -> None:
    """It is replaced: the request goes on to what else is wrong with it."""
    status, error = post(client, body.replace("HERE", escape).encode())

    assert (status, error["code"] or error["param"]) in ((503, "engine_gone"), (400, "messages"))


def test_a_pair_of_surrogates_is_a_character(client: FlaskClient) -> None:
    status, error = post(client, b'{"messages": [{"role": "user", "content": "\\ud83d\\udd25"}]}')

    assert (status, error["code"]) == (503, "engine_gone")


@pytest.mark.parametrize(
    "content_type", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"]
)
def test_another_media_type_is_a_415(client: FlaskClient, content_type: str) -> None:
    status, error = post(client, b"{}", content_type)

    assert (status, error["code"]) == (415, "unsupported_media_type")
    assert content_type.partition(";")[0] in error["message"]


@pytest.mark.parametrize(
    "content_type",
    ["application/json", "application/json; charset=utf-8", "Application/JSON"],
    ids=["plain", "with a charset", "capitals"],
)
def test_json_by_its_name_is_read(client: FlaskClient, content_type: str) -> None:
    status, error = post(client, b"{}", content_type)

    assert (status, error["param"]) == (400, "messages")


def test_a_body_of_the_limit_is_read_and_one_byte_more_is_a_413(make_app: MakeApp) -> None:
    client = make_app(max_body_bytes=2000).test_client()
    body = json.dumps({"messages": []}).encode().ljust(2000)

    assert post(client, body)[0] == 400
    status, error = post(client, body + b" ")
    assert (status, error["code"]) == (413, "request_too_large")
    assert "2000 bytes" in error["message"]


def test_a_body_of_unknown_length_is_measured_as_it_comes(make_app: MakeApp) -> None:
    response = (
        make_app(max_body_bytes=2000)
        .test_client()
        .post(
            URL,
            input_stream=io.BytesIO(b" " * 3000),
            content_type="application/json",
            environ_overrides={"wsgi.input_terminated": True},
        )
    )

    assert response.status_code == 413


def test_a_body_that_ends_early_is_not_taken_for_a_whole_one(client: FlaskClient) -> None:
    response = client.post(
        URL,
        data=b"{}",
        content_type="application/json",
        environ_overrides={"CONTENT_LENGTH": "50", "wsgi.input_terminated": True},
    )

    assert response.status_code == 400
    assert "after 2 of the 50 bytes" in response.get_json()["error"]["message"]


class SlowStream(io.BytesIO):
    """A body that never comes."""

    def readinto(self, buffer: Any) -> int:
        gevent.sleep(10)
        return 0


def test_a_body_that_does_not_come_is_a_408(make_app: MakeApp) -> None:
    response = (
        make_app(body_seconds=0.05)
        .test_client()
        .post(URL, input_stream=SlowStream(b" " * 100), content_type="application/json")
    )

    assert response.status_code == 408, response.text
    assert response.get_json()["error"]["message"] == "The body did not arrive within 0.05 seconds."


@pytest.mark.parametrize(
    "wrong",
    [{"n": "x"}, {"messages": [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "x"}]}]}],
    ids=["a field", "a nested field"],
)
def test_a_large_body_that_is_refused_is_gone_at_once(client: FlaskClient, wrong: dict[str, Any]) -> None:
    data = json.dumps({"user": "u" * 500_000, "messages": [{"role": "user", "content": "a"}], **wrong}).encode()
    assert post(client, data)[0] == 400
    gc.collect()
    gc.disable()
    tracemalloc.start()
    try:
        for _ in range(10):
            post(client, data)
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
        gc.enable()
    assert held < 2 * len(data)
