"""The lines of a batch: requests and results in OpenAI's batch format.

The only module of the engine that uses the HTTP schemas: all other requests are validated by the web tier.
"""

import logging
import uuid
from dataclasses import dataclass
from typing import Any

import msgspec

from engine_proc.batch.files import MAX_LINE_BYTES, RESULT_ID_PREFIX, Done
from schemas.errors import ApiError, invalid
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.shape import Shape
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.generation import GenerationSchema, Request
from schemas.requests.parts.tools import check_results
from schemas.requests.reading import body

log = logging.getLogger("hearth.batch")

ENDPOINTS: dict[str, tuple[GenerationSchema, type[Shape]]] = {
    "/v1/chat/completions": (ChatCompletionSchema(), ChatShape),
    "/v1/completions": (CompletionSchema(), CompletionShape),
}
_BOM = b"\xef\xbb\xbf"


@dataclass(slots=True)
class Job:
    """A valid line: the request, and the class that shapes its answer."""

    custom_id: str
    request: Request
    shape_class: type[Shape]


class _InvalidLine(Exception):
    """The line holds no request. `code` is one of OpenAI's error codes for batch lines."""

    def __init__(self, code: str, message: str, custom_id: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.custom_id = custom_id


class Intake:
    """Parses lines to jobs, and skips those that already have a result."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self._seen: set[str] = set()

    def accept(self, number: int, raw: bytes) -> Job | bytes | None:
        """Return the job of line `number`, or the result that refuses it. None: the line already has a result."""
        try:
            line = _parse(number, raw)
            custom_id = self._identify(line)
            if custom_id in self._done.ids:
                return None
            schema, shape_class = _endpoint(line, custom_id)
        except _InvalidLine as error:
            return None if number in self._done.lines else invalid_line(error.custom_id, number, error.code, str(error))
        try:
            return Job(custom_id, _load(schema, line["body"]), shape_class)
        except ApiError as error:
            return refused(custom_id, error)
        except Exception:
            log.exception("line %d", number)
            problem = ApiError(500, "The line could not be read.", type="server_error", code="internal_error")
            return refused(custom_id, problem)

    def _identify(self, line: dict[str, Any]) -> str:
        """Return the line's `custom_id`. Raises `_InvalidLine` if it is missing or not unique."""
        custom_id = line.get("custom_id")
        if custom_id is None:
            raise _InvalidLine("missing_required_parameter", "`custom_id` is missing.")
        if not isinstance(custom_id, str):
            raise _InvalidLine("invalid_custom_id", "`custom_id` must be a string.")
        if custom_id in self._seen:
            raise _InvalidLine(
                "duplicate_custom_id", f"`custom_id` {custom_id!r} was used by an earlier line.", custom_id
            )
        self._seen.add(custom_id)
        return custom_id


def _parse(number: int, raw: bytes) -> dict[str, Any]:
    if len(raw) > MAX_LINE_BYTES:
        raise _InvalidLine("line_too_long", f"The line is longer than {MAX_LINE_BYTES} bytes.")
    try:
        return body.parse(raw.removeprefix(_BOM) if number == 1 else raw, "The line")
    except ApiError as error:
        raise _InvalidLine("invalid_json_line", error.message) from None


def _endpoint(line: dict[str, Any], custom_id: str) -> tuple[GenerationSchema, type[Shape]]:
    if line.get("method") != "POST":
        raise _InvalidLine("invalid_method", '`method` must be "POST".', custom_id)
    url = line.get("url")
    endpoint = ENDPOINTS.get(url) if isinstance(url, str) else None
    if endpoint is None:
        raise _InvalidLine("invalid_url", f"`url` must be one of {', '.join(ENDPOINTS)}.", custom_id)
    if not isinstance(line.get("body"), dict):
        raise _InvalidLine("missing_required_parameter", "`body` must be a JSON object.", custom_id)
    return endpoint


def _load(schema: GenerationSchema, fields: dict[str, Any]) -> Request:
    """Validate the body of a request. Raises `ApiError` (400)."""
    request: Request = body.load(schema, fields)
    if request.params.stream:
        raise invalid("A batch does not stream: omit `stream`.", "stream")
    if request.conversation_id is not None:
        raise invalid("A batch has no conversations: send the earlier turns in `messages`.", "conversation_id")
    messages = request.params.messages
    if messages is None:
        return request
    check_results(messages, len(messages))
    return request.with_messages(messages)


def answered(custom_id: str, request_id: str, status: int, answer: bytes) -> bytes:
    """Return the result line of an answered request. `answer` is the JSON body that HTTP would return."""
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(answer)}
    return _result(custom_id, response, None)


def refused(custom_id: str, error: ApiError, request_id: str | None = None) -> bytes:
    """Return the result line of a request that is answered with an error."""
    return answered(custom_id, request_id or uuid.uuid4().hex, error.status, msgspec.json.encode(error.body()))


def invalid_line(custom_id: str | None, number: int, code: str, message: str) -> bytes:
    """Return the result line of a line that holds no request."""
    return _result(custom_id, None, {"code": code, "message": f"Line {number}: {message}", "line": number})


def _result(custom_id: str | None, response: Any, error: Any) -> bytes:
    result = {
        "id": RESULT_ID_PREFIX + uuid.uuid4().hex,
        "custom_id": custom_id,
        "response": response,
        "error": error,
    }
    return msgspec.json.encode(result) + b"\n"
