"""Bad requests get their own 4xx that names the field, and cost neither the worker nor the engine."""

import json
import socket
from typing import Any

import pytest

from tests.e2e.mixture import counted
from tests.harness import TLS, Hearth, chat_body

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
USER = {"role": "user", "content": "Hi"}
NO_OBJECT = ("The body must be a JSON object.", "The body is nested too deeply.")


def assert_refused(
    hearth: Hearth, path: str, body: Any, param: str | None, *, status: int = 400, code: str | None = None
) -> str:
    response = hearth.post(path, body)
    assert response.status_code == status, response.text
    error = response.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["param"] == param
    assert error["code"] == code
    message: str = error["message"]
    if param is not None and code is None:
        assert f"`{param}`" in message
    return message


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"not json", b"[]", b"null", b"3", b'"text"', b"\xff\xfe", b"[" * 10_000, b'{"a":' * 10_000],
    ids=["empty", "cut", "words", "array", "null", "number", "string", "not-utf8", "nested-arrays", "nested-objects"],
)
def test_not_a_json_object(hearth: Hearth, body: bytes) -> None:
    for path in (CHAT, COMPLETIONS):
        message = assert_refused(hearth, path, body, None)
        assert "valid JSON" in message or message in (
            "The body must be a JSON object.",
            "The body is nested too deeply.",
        )


@pytest.mark.parametrize(
    ("body", "param"),
    [
        (b'{"messages":[{"role":"user","content":"a"}],"temperature":NaN}', "temperature"),
        (b'{"messages":[{"role":"user","content":"a"}],"top_p":Infinity}', "top_p"),
        (b'{"messages":[{"role":"user","content":"a"}],"logit_bias":{"1":-Infinity}}', "logit_bias.1"),
    ],
    ids=["nan", "infinity", "in-an-object"],
)
def test_values_that_json_does_not_have(hearth: Hearth, body: bytes, param: str) -> None:
    assert_refused(hearth, CHAT, body, param)


@pytest.mark.parametrize("stream", ["false", "true"])
def test_a_lone_surrogate_is_answered_with_a_warning(hearth: Hearth, stream: str) -> None:
    body = '{"messages":[{"role":"user","content":"a\\ud800"}],"max_tokens":2,"stream":' + stream + "}"
    response = hearth.post(CHAT, body.encode())
    assert response.status_code == 200
    assert "lone surrogates" in response.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"messages": "Hi"}, "messages"),
        ({"messages": ["Hi"]}, "messages[0]"),
        ({"messages": [USER, {"role": "user"}]}, "messages[1].content"),
        ({"messages": [USER, {"role": "wizard", "content": "Hi"}]}, "messages[1].role"),
        ({"messages": [{"content": "Hi"}]}, "messages[0].role"),
        ({"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
        ({"messages": [{"role": "user", "content": [{"type": "image_url"}]}]}, "messages[0].content[0].type"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"max_tokens": -2}, "max_tokens"),
        ({"max_tokens": 10**12}, "max_tokens"),
        ({"max_tokens": "5"}, "max_tokens"),
        ({"n": 0}, "n"),
        ({"n": 129}, "n"),
        ({"n": True}, "n"),
        ({"temperature": -0.1}, "temperature"),
        ({"temperature": "hot"}, "temperature"),
        ({"top_p": -1}, "top_p"),
        ({"stop": ["x"] * 1000}, "stop"),
        ({"stop": 5}, "stop[0]"),
        ({"logit_bias": {"5": 101}}, "logit_bias.5"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage"),
        ({"seed": 2**63}, "seed"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"continue_final_message": True, "add_generation_prompt": True}, "continue_final_message"),
        ({"white_list_token_ids": [-1]}, "white_list_token_ids[0]"),
    ],
    ids=lambda value: value if isinstance(value, str) else None,
)
def test_fields(hearth: Hearth, fields: dict[str, Any], param: str) -> None:
    body = {"messages": [USER], **fields}
    assert_refused(hearth, CHAT, body, param)


@pytest.mark.parametrize(
    ("prompt", "param"),
    [
        (None, "prompt"),
        ([], "prompt"),
        (5, "prompt"),
        (["a", 5], "prompt"),
        ([[1], []], "prompt[1]"),
        ([1, -1], "prompt[1]"),
        ([True], "prompt"),
    ],
)
def test_prompts(hearth: Hearth, prompt: Any, param: str) -> None:
    assert_refused(hearth, COMPLETIONS, {"prompt": prompt}, param)


@pytest.mark.parametrize("field", ["logit_bias", "white_list_token_ids"])
def test_tokens_outside_the_vocabulary_are_the_engines_to_refuse(hearth: Hearth, field: str) -> None:
    value: Any = {"999999": 1} if field == "logit_bias" else [999999]
    response = hearth.post(CHAT, {"messages": [USER], field: value})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == field


def test_prompt_ids_outside_the_vocabulary(hearth: Hearth) -> None:
    response = hearth.post(COMPLETIONS, {"prompt": [999999]})
    assert response.status_code == 400
    assert response.json()["error"]["param"] == "prompt"


class TestContextLength:
    """A prompt of exactly the context leaves no room for an answer; one token less does."""

    def test_one_token_of_room(self, hearth: Hearth) -> None:
        limit = hearth.welcome().max_model_len
        response = hearth.post(COMPLETIONS, {"prompt": [5] * (limit - 1), "max_tokens": 10, "ignore_eos": True})
        assert response.status_code == 200
        assert counted(response.json()) == {
            "prompt_tokens": limit - 1,
            "completion_tokens": 1,
            "total_tokens": limit,
        }
        assert response.json()["choices"][0]["finish_reason"] == "length"

    @pytest.mark.parametrize("more", [0, 1, 5000])
    def test_none(self, hearth: Hearth, more: int) -> None:
        limit = hearth.welcome().max_model_len
        message = assert_refused(
            hearth, COMPLETIONS, {"prompt": [5] * (limit + more)}, "prompt", code="context_length_exceeded"
        )
        assert str(limit) in message
        assert str(limit + more) in message

    def test_chat(self, hearth: Hearth) -> None:
        body = chat_body("word " * 5000)
        message = assert_refused(hearth, CHAT, body, "messages", code="context_length_exceeded")
        assert str(hearth.welcome().max_model_len) in message


def test_body_of_20_mb(hearth: Hearth) -> None:
    body = b'{"messages":[{"role":"user","content":"' + b"x" * 20_000_000 + b'"}]}'
    message = assert_refused(hearth, CHAT, body, None, status=413, code="request_too_large")
    assert str(16 * 1024 * 1024) in message


def test_field_of_10_mb_within_the_limit(hearth: Hearth) -> None:
    assert_refused(hearth, CHAT, chat_body("x" * 10_000_000), "messages", code="context_length_exceeded")


def test_media_type(hearth: Hearth) -> None:
    import httpx

    response = httpx.post(hearth.url + CHAT, content="<xml/>", headers={"Content-Type": "text/xml"}, verify=TLS)
    assert response.status_code == 415
    assert response.json()["error"]["code"] == "unsupported_media_type"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [("GET", "/v1/nothing", 404), ("POST", "/v1/models", 405), ("GET", CHAT, 405), ("PUT", "/health", 405)],
)
def test_routes(hearth: Hearth, method: str, path: str, status: int) -> None:
    import httpx

    response = httpx.request(method, hearth.url + path, verify=TLS)
    assert response.status_code == status
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert ("Allow" in response.headers) == (status == 405)


def raw(hearth: Hearth, payload: bytes) -> bytes:
    with socket.create_connection(("127.0.0.1", hearth.port), timeout=10) as connection:
        connection.sendall(payload)
        connection.shutdown(socket.SHUT_WR)
        return b"".join(iter(lambda: connection.recv(65536), b""))


@pytest.mark.parametrize(
    "head",
    [
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: nonsense\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: -5\r\n\r\n{}",
        b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"nonsense\r\n\r\n",
    ],
    ids=["content-length-word", "content-length-negative", "content-length-twice", "no-http"],
)
def test_malformed_http_is_answered_in_json(hearth: Hearth, head: bytes) -> None:
    answer = raw(hearth, head)
    assert answer.split(b" ")[1].startswith(b"4")
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["error"]["message"]


@pytest.mark.parametrize(
    ("length", "says"),
    [(1, b"not valid JSON"), (10_000, b"ended after 45 of the 10000 bytes")],
    ids=["too-short", "too-long"],
)
def test_content_length_that_does_not_fit(hearth: Hearth, length: int, says: bytes) -> None:
    body = b'{"messages":[{"role":"user","content":"Hi"}]}'
    head = b"POST /v1/chat/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    answer = raw(hearth, head + b"Content-Length: %d\r\n\r\n" % length + body)
    assert answer.split(b" ")[1] == b"400"
    assert says in answer


def test_unknown_fields_are_ignored(hearth: Hearth) -> None:
    assert hearth.chat("Who are you?", a_field_of_tomorrow={"x": [1]}) == hearth.chat("Who are you?")
