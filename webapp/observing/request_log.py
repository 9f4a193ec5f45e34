"""The access log: one line for each generation, and for each request that is refused before it generates anything.

A generation's line, its metrics and its trace are made of the same figures.
"""

import logging
import time
from collections.abc import Mapping
from typing import Any

from flask import Flask, Response, request

from schemas.replies.shape import Shape
from webapp.middleware import auth, request_id
from webapp.middleware.call import LOGGED, Call
from webapp.observing import metrics, traces

log = logging.getLogger("hearth.access")

CLIENT_DISCONNECTED = 499
"""nginx's status for a client that closed the connection before the response."""


def register(app: Flask) -> None:
    """Log the error responses of `app` that belong to no generation, and get ready to trace those that do."""
    traces.load()

    @app.after_request
    def write(response: Response) -> Response:
        """Log an error response without a `RequestLog`: a refused body, a wrong key, an unknown path."""
        if response.status_code >= 400 and LOGGED not in request.environ:
            fields = {"method": request.method, "path": request.path, "status": response.status_code}
            _write({**fields, "key": auth.key_name(auth.key()), "request_id": request_id.given() or None})
        return response


class RequestLog:
    """Collects the figures of one generation for its log line, its metrics and its trace."""

    def __init__(self, call: Call, *, stream: bool, user: str, shape: Shape, awaited: bool = True) -> None:
        """`awaited`: the generation is the answer to the HTTP request of `call`, and counts as its response. If not,
        `call` stands for the request that has asked for it, which has been answered, or lost.
        """
        self._path = call.rule
        self._stream = stream
        self._user = user
        self._awaited = awaited
        self._request_id = call.request_id
        self._key = auth.key_name(call.key)
        self._began = time.monotonic()
        self._first_text: float | None = None
        self._written = False
        self.status = CLIENT_DISCONNECTED
        """What became of the request: 499 until the whole response has been sent, or an error has ended it."""
        self._shape = shape
        self._span = traces.begin(call.environ)
        self.trace_parent = traces.parent(self._span)
        """W3C's `traceparent` for the engine's spans; empty if nothing is traced."""
        call.environ[LOGGED] = True
        metrics.LIVE.inc()

    def on_text(self) -> None:
        """Note that text was received from the engine: the first time is the TTFT."""
        if self._first_text is None:
            self._first_text = time.monotonic() - self._began

    def on_end(self, status: int) -> None:
        """Set the final status, which for a stream may differ from the status in its headers."""
        self.status = status

    def write(self) -> None:
        """Write the log line, the metrics and the trace. Does nothing after the first call."""
        if self._written:
            return
        self._written = True
        seconds = time.monotonic() - self._began
        fields = self._fields(seconds)
        _write(fields)
        traces.end(self._span, fields)
        self._count(seconds)

    def _fields(self, seconds: float) -> dict[str, Any]:
        shape = self._shape
        return {
            "method": "POST",
            "path": self._path,
            "status": self.status,
            "id": shape.id,
            "ttft": None if self._first_text is None else round(self._first_text, 4),
            "total": round(seconds, 4),
            "prompt_tokens": shape.prompt_tokens,
            "completion_tokens": shape.completion_tokens,
            "finish": [choice.finish_reason or "none" for choice in shape.choices[:8]],
            "model": shape.model,
            "key": self._key,
            "request_id": self._request_id or None,
            "user": self._user[:64],
        }

    def _count(self, seconds: float) -> None:
        metrics.LIVE.dec()
        counter = metrics.REQUESTS if self._awaited else metrics.BACKGROUND
        counter.labels(self._path, str(self.status)).inc()
        of_path = metrics.of_path(self._path)
        of_path.duration.observe(seconds)
        if self._stream and self._awaited and self._first_text is not None:
            of_path.ttft.observe(self._first_text)
        of_path.prompt_tokens.inc(self._shape.prompt_tokens)
        of_path.completion_tokens.inc(self._shape.completion_tokens)


def _write(fields: Mapping[str, Any]) -> None:
    """Log `fields` as text for people; the JSON format has them as keys (`schemas/shared/log_lines.py`)."""
    words = [str(fields.get(name) or "-") for name in ("method", "path", "status", "id")]
    labeled = {name: value for name, value in fields.items() if name not in _UNLABELED}
    if labeled["request_id"] is None:
        del labeled["request_id"]
    words += [f"{name}={_word(name, value)}" for name, value in labeled.items()]
    log.info("%s", " ".join(words), extra={"fields": fields})


_UNLABELED = frozenset({"method", "path", "status", "id"})


def _word(name: str, value: Any) -> str:
    if name in ("ttft", "total"):
        return "-" if value is None else f"{value:.3f}s"
    if name == "finish":
        return ",".join(value) or "none"
    if name == "user":
        return repr(value)
    return "-" if value in (None, "") else str(value)
