"""The results of a batch's lines, in OpenAI's batch format."""

import uuid
from typing import Any

import msgspec

from schemas.errors import ApiError

RESULT_ID_PREFIX = "batch_req_"


def answered(custom_id: str, request_id: str, status: int, answer: bytes) -> bytes:
    """Return the result line of an answered request. `answer` is the JSON body that HTTP would return."""
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(answer)}
    return result(custom_id, response, None)


def refused(custom_id: str, error: ApiError, request_id: str | None = None) -> bytes:
    """Return the result line of a request that is answered with an error."""
    return answered(custom_id, request_id or uuid.uuid4().hex, error.status, msgspec.json.encode(error.body()))


def result(custom_id: str | None, response: Any, error: Any) -> bytes:
    """Return a result line. One of `response` and `error` is None."""
    line = {
        "id": RESULT_ID_PREFIX + uuid.uuid4().hex,
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return msgspec.json.encode(line) + b"\n"
