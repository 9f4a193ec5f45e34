"""The lines of a file of requests, in OpenAI's batch format."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from schemas.errors import ApiError, invalid, quoted, shortened
from schemas.requests.generation import GenerationSchema, Request
from schemas.requests.parts.tools import check_results
from schemas.requests.reading import body

_BOM = b"\xef\xbb\xbf"


class InvalidLine(Exception):
    """The line holds no request. `code` is one of OpenAI's error codes for batch lines."""

    def __init__(self, code: str, message: str, custom_id: str | None = None, param: str | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.custom_id = custom_id
        self.param = param


@dataclass(slots=True)
class Line:
    """A line that holds a request."""

    custom_id: str
    url: str
    body: dict[str, Any]
    """The request's body, not validated yet."""


class LineReader:
    """Reads the lines of one file."""

    def __init__(self, endpoints: Collection[str], max_bytes: int) -> None:
        """`endpoints`: what `url` may be. `max_bytes`: the longest line."""
        self._endpoints = endpoints
        self._max_bytes = max_bytes
        self._seen: set[bytes] = set()
        """A digest of each `custom_id`, which may be long."""

    def read(self, number: int, raw: bytes) -> Line:
        """Return the request of line `number`, from 1. Raises `InvalidLine`."""
        if len(raw) > self._max_bytes:
            raise InvalidLine("line_too_long", f"The line is longer than {self._max_bytes} bytes.")
        try:
            line = body.parse(raw.removeprefix(_BOM) if number == 1 else raw, "The line")
        except ApiError as error:
            raise InvalidLine("invalid_json_line", error.message) from None
        custom_id = self._identify(line)
        if line.get("method") != "POST":
            raise InvalidLine("invalid_method", '`method` must be "POST".', custom_id, "method")
        url = line.get("url")
        if not isinstance(url, str) or url not in self._endpoints:
            message = f"`url` must be one of {', '.join(self._endpoints)}."
            raise InvalidLine("invalid_url", message, custom_id, "url")
        fields = line.get("body")
        if not isinstance(fields, dict):
            raise InvalidLine("missing_required_parameter", "`body` must be a JSON object.", custom_id, "body")
        return Line(custom_id, url, fields)

    def _identify(self, line: dict[str, Any]) -> str:
        """Return the line's `custom_id`. Raises `InvalidLine` if it is missing or not unique."""
        custom_id = line.get("custom_id")
        if custom_id is None:
            raise InvalidLine("missing_required_parameter", "`custom_id` is missing.", param="custom_id")
        if not isinstance(custom_id, str):
            raise InvalidLine("invalid_custom_id", "`custom_id` must be a string.", param="custom_id")
        digest = hashlib.blake2b(custom_id.encode(), digest_size=16).digest()
        if digest in self._seen:
            message = f"`custom_id` {quoted(custom_id)} was used by an earlier line."
            raise InvalidLine("duplicate_custom_id", message, custom_id, "custom_id")
        self._seen.add(digest)
        return custom_id


def as_told(number: int, error: InvalidLine) -> str:
    """Return what the client is told of line `number`."""
    return shortened(f"Line {number}: {error}")


def load(schema: GenerationSchema, fields: dict[str, Any]) -> Request:
    """Validate the body of a chat or text completion. Raises `ApiError` (400)."""
    request: Request = body.load(schema, fields)
    if request.params.stream:
        raise no_stream()
    if request.conversation_id is not None:
        raise invalid("A batch has no conversations: send the earlier turns in `messages`.", "conversation_id")
    messages = request.params.messages
    if messages is None:
        return request
    check_results(messages, len(messages))
    return request.with_messages(messages)


def no_stream() -> ApiError:
    """Return the refusal (400) of a line that asks for a stream."""
    return invalid("A batch does not stream: omit `stream`.", "stream")
