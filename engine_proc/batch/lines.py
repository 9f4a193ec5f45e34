"""The lines of a batch: from a line of the input to a job, or to the result that refuses it.

The only module of the engine that uses the HTTP schemas: all other requests are validated by the web tier.
"""

import logging
from dataclasses import dataclass

from engine_proc.batch.files import MAX_LINE_BYTES, Done
from schemas.errors import ApiError
from schemas.replies.batches.results import refused, result
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.shape import Shape
from schemas.requests.batch_lines import InvalidLine, LineReader, as_told, load
from schemas.requests.chat import ChatCompletionSchema
from schemas.requests.completions import CompletionSchema
from schemas.requests.generation import GenerationSchema, Request

log = logging.getLogger("hearth.batch")

ENDPOINTS: dict[str, tuple[GenerationSchema, type[Shape]]] = {
    "/v1/chat/completions": (ChatCompletionSchema(), ChatShape),
    "/v1/completions": (CompletionSchema(), CompletionShape),
}


@dataclass(slots=True)
class Job:
    """A valid line: the request, and the class that shapes its answer."""

    custom_id: str
    request: Request
    shape_class: type[Shape]


class Intake:
    """Parses lines to jobs, and skips those that already have a result."""

    def __init__(self, done: Done) -> None:
        self._done = done
        self._reader = LineReader(ENDPOINTS, MAX_LINE_BYTES)

    def accept(self, number: int, raw: bytes) -> Job | bytes | None:
        """Return the job of line `number`, or the result that refuses it. None: the line already has a result."""
        try:
            line = self._reader.read(number, raw)
        except InvalidLine as error:
            if number in self._done.lines:
                return None
            return invalid_line(error.custom_id, number, error.code, as_told(number, error))
        if line.custom_id in self._done.ids:
            return None
        schema, shape_class = ENDPOINTS[line.url]
        try:
            return Job(line.custom_id, load(schema, line.body), shape_class)
        except ApiError as error:
            return refused(line.custom_id, error)
        except Exception:
            log.exception("line %d", number)
            problem = ApiError(500, "The line could not be read.", type="server_error", code="internal_error")
            return refused(line.custom_id, problem)


def invalid_line(custom_id: str | None, number: int, code: str, message: str) -> bytes:
    """Return the result line of a line that holds no request."""
    return result(custom_id, None, {"code": code, "message": message, "line": number})
