"""The errors that both tiers raise, as OpenAI's envelope."""

import pytest

from schemas.errors import ApiError, context_length_exceeded, invalid, overloaded, unavailable


def test_the_envelope_has_all_four_fields() -> None:
    error = ApiError(418, "Short and stout.", type="teapot_error", code="teapot", param="spout")

    assert error.body() == {
        "error": {"message": "Short and stout.", "type": "teapot_error", "param": "spout", "code": "teapot"}
    }
    assert str(error) == "Short and stout."


def test_what_is_not_said_is_null() -> None:
    body = ApiError(400, "No.").body()

    assert body == {"error": {"message": "No.", "type": "invalid_request_error", "param": None, "code": None}}


def test_a_wrong_request_is_a_400_that_names_the_field() -> None:
    error = invalid("No.", "messages[1].content", "bad_content")

    assert (error.status, error.type) == (400, "invalid_request_error")
    assert (error.param, error.code, error.retry_after) == ("messages[1].content", "bad_content", None)


def test_a_prompt_that_is_too_long_is_told_both_numbers() -> None:
    error = context_length_exceeded(5000, 4096, "messages")

    assert (error.status, error.code, error.param) == (400, "context_length_exceeded", "messages")
    assert "maximum context length is 4096 tokens" in error.message
    assert "the prompt has 5000" in error.message


@pytest.mark.parametrize(
    ("error", "status", "type_", "code", "retry_after"),
    [
        (unavailable("Loading.", "engine_loading"), 503, "service_unavailable", "engine_loading", 5),
        (unavailable("Wrong.", "engine_incompatible", 60), 503, "service_unavailable", "engine_incompatible", 60),
        (overloaded("Full: 256", "queue_full", 3), 429, "rate_limit_error", "queue_full", 3),
    ],
    ids=["unavailable", "for long", "overloaded"],
)
def test_what_may_work_later_says_when(error: ApiError, status: int, type_: str, code: str, retry_after: int) -> None:
    assert (error.status, error.type, error.code, error.retry_after) == (status, type_, code, retry_after)


def test_a_full_queue_says_how_long_it_is_and_when_to_come_again() -> None:
    message = overloaded("The queue is full: 256 answers", "queue_full", 3).message
    assert message == "The queue is full: 256 answers are waiting or running. Try again in 3 s."
