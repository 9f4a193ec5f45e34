"""Answer HTTP requests with jobs: make one of a valid request, and send its events."""

import time
from collections.abc import Callable
from typing import Any

import flask
from flask import Response, current_app
from msgspec import structs

from schemas.errors import ApiError, invalid
from schemas.replies.shape import Shape, encode_json
from schemas.requests.generation import Request
from schemas.shared.ids import new_id
from webapp.answering import sse
from webapp.answering.answer import DISCONNECTED, adapter_of, allowed_seconds, answer
from webapp.answering.keeping import Keeping
from webapp.answering.message import make_message
from webapp.engine.reply import HungUp
from webapp.jobs.job import QUEUED, Job
from webapp.jobs.jobs import Jobs
from webapp.jobs.log.reader import Events, Reader
from webapp.jobs.log.record import Work, decode_work
from webapp.jobs.log.rendering import SHAPES, response_body
from webapp.middleware import auth, request_id
from webapp.middleware import call as calls
from webapp.observing import traces
from webapp.server.first_byte import SEND_FIRST_BYTE
from webapp.services import services

EXTENSION = "hearth.jobs"
RESUMABLE = "X-Resumable"
CANNOT_RESUME = "The database has failed: this answer cannot be resumed if the connection is lost."
MAX_EVENT_DIGITS = 9


def jobs() -> Jobs:
    """Return the jobs of the application that handles the current request."""
    found: Jobs = current_app.extensions[EXTENSION]
    return found


def wants_resumable(request: Request) -> bool:
    """Return whether the client asks for a stream that it can resume, by the field or by the header."""
    by_header = flask.request.headers.get(RESUMABLE, "").lower() in ("1", "true")
    return request.params.stream and (request.resumable or by_header)


def answer_resumable(
    request: Request,
    api: str,
    keeping: Keeping | None,
    make_shape: Callable[..., Shape],
    on_complete: sse.OnComplete | None,
    **of_response: Any,
) -> Response:
    """Return the stream of a new job. Where the database fails the client gets an ordinary stream, with a warning.

    `make_shape` and `on_complete` are those of an ordinary stream, `of_response` the fields of `Work` that a response
    has. Raises `ApiError`, as `answer` does.
    """
    work = make_work(request, api, keeping, **of_response)
    try:
        job = jobs().make(calls.current(), work)
    except ApiError as error:
        if error.status != 503:
            raise
        request.warnings = (*request.warnings, CANNOT_RESUME)
        return answer(request, make_shape, on_complete)
    reader = jobs().reader(job)
    return _stream(reader, Events(reader, work), job.id)


def answer_in_background(work: Work) -> Response:
    """Return the response object of a new job; with `stream`, its events. Raises `ApiError`: 429, 503."""
    job = jobs().make(calls.current(), work)
    if work.streamed:
        reader = jobs().reader(job)
        return _stream(reader, Events(reader, work), job.id)
    return Response(encode_json(response_body(work, QUEUED, ())), content_type="application/json")


def make_work(request: Request, api: str, keeping: Keeping | None, **more: Any) -> Work:
    """Return the job's request. Raises `ApiError`: 503 if no engine is ready, 400 and 404 as `answer` does."""
    call, shared = calls.current(), services()
    welcome = shared.engine.require_ready()
    adapter = adapter_of(request, welcome, strict=shared.settings.strict_model)
    # The engine always streams: a job goes on after its last token, wherever it is taken up.
    params = structs.replace(request.params, stream=True)
    name = new_id(SHAPES[api].prefix, SHAPES[api].separator)
    return Work(
        generate=make_message(call, shared, params, name=name, adapter=adapter, trace=traces.given(call.environ)),
        api=api,
        model=adapter or welcome.served_names[0],
        created=int(time.time()),
        options={**request.shape_options(), "fingerprint": welcome.system_fingerprint},
        fingerprint=welcome.fingerprint,
        seconds=allowed_seconds(call.environ, shared.settings.request_seconds),
        path=call.rule,
        key=auth.key_name(call.key),
        include_usage=request.include_usage,
        streamed=request.params.stream,
        keeping=keeping,
        **more,
    )


def follow(job: Job, after: int) -> Response:
    """Return the events of a job after number `after`. Raises `ApiError` (400) if there is no such event."""
    reader = jobs().reader(job)
    try:
        events = Events(reader, services().loader.apply(decode_work, (job.request,)), after)
        events.skip()
    except BaseException:
        reader.close()
        raise
    return _stream(reader, events, job.id, seconds=0.0)


def after_of(value: str | None, field: str) -> int:
    """Return the number of the last event that a client has, from a URL or a header; -1: it has none.

    Raises `ApiError` (400).
    """
    if value is None or value == "":
        return -1
    if not (value.isascii() and value.isdecimal() and len(value) <= MAX_EVENT_DIGITS):
        raise invalid(f"Invalid value for `{field}`: Expected the number of an event, at least 0.", field)
    return int(value)


def _stream(reader: Reader, events: Events, job_id: str, seconds: float = sse.HEADERS_SECONDS) -> Response:
    """Return the response that sends `events`, once there are some, or after `seconds`: a refusal has a status of its
    own.
    """
    call, hangups = calls.current(), services().hangups
    socket = call.environ.get("gunicorn.socket")
    watched = None if socket is None else socket.fileno()

    def on_half_close() -> None:
        if not call.environ[SEND_FIRST_BYTE]():
            reader.ask_for_ping()

    def close() -> None:
        if watched is not None:
            hangups.remove(watched)
        reader.close()

    if watched is not None:
        hangups.add(watched, reader.hang_up, on_half_close)
    try:
        events.wait(seconds)
    except HungUp:
        close()
        return Response(status=DISCONNECTED)
    except BaseException:
        close()
        raise
    headers = [*sse.HEADERS, (request_id.HEADER, call.request_id or job_id)]
    response = Response(iter(events), 200, headers)
    response.call_on_close(close)
    return response
