"""Answer a valid request over HTTP: send it to the engine, and shape its deltas into the response."""

import math
from collections.abc import Callable
from contextlib import ExitStack

import flask
from flask import Response
from gevent import get_hub

from schemas.errors import ApiError, invalid, quoted
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.wire import Welcome
from webapp.answering import sse
from webapp.answering.message import make_message
from webapp.answering.sse import OnComplete
from webapp.connection.chunk_writer import ChunkWriter, chunked_connection
from webapp.connection.hangups import cut_off_when_stuck
from webapp.engine.reply import HungUp, Reply
from webapp.middleware import request_id
from webapp.observing.request_log import RequestLog
from webapp.services import services


def answer(request: Request, make_shape: Callable[..., Shape], on_complete: OnComplete | None = None) -> Response:
    """Return the response to `request`. The headers of a stream are sent with its first text, or after
    `sse.PING_SECONDS` if the engine has accepted the request by then.

    `on_complete` gets the reply when every choice has ended, before the client receives the end, and may return a
    warning for the client; it is not called if the client has hung up by then. Raises `ApiError` if the engine cannot
    accept the request, or refuses it.
    """
    welcome = services().engine.require_ready()
    adapter = welcome.adapter_named(request.model)
    if not adapter:
        _check_model(request.model, welcome)
    shape = make_shape(
        adapter or welcome.served_names[0],
        request.params.choices,
        fingerprint=welcome.system_fingerprint,
        **request.shape_options(),
    )
    seconds = _allowed_seconds()
    with Answer(request, shape, adapter, on_complete) as ongoing:
        return ongoing.respond(seconds)


class Answer:
    """The answer to one request. Its log record, reply, hang-up watch and deadline are acquired one by one and released
    together: when the response is closed, or at once if an exception is raised before there is a response.
    """

    def __init__(self, request: Request, shape: Shape, adapter: str, on_complete: OnComplete | None) -> None:
        self._request = request
        self._shape = shape
        self._adapter = adapter
        self._on_complete = on_complete
        self._exits = ExitStack()
        self._record = RequestLog(stream=request.params.stream, user=request.params.user, shape=shape)
        self._exits.callback(self._record.write)

    def __enter__(self) -> "Answer":
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is not None:
            self._record.status = getattr(error, "status", 500)
            self._exits.close()

    def respond(self, seconds: float) -> Response:
        """Send the request and return its response. After `seconds` the client gets an error in place of the rest."""
        reply = self._send(seconds)
        try:
            reply.wait(sse.PING_SECONDS)
            self._shape.accept(reply.accepted)
            response = self._stream(reply) if self._request.params.stream else self._whole(reply)
        except HungUp:
            response = Response(status=499)
        response.headers[request_id.HEADER] = request_id.given() or self._shape.id
        response.call_on_close(self._exits.close)
        return response

    def _send(self, seconds: float) -> Reply:
        message = make_message(
            self._request.params, name=self._shape.id, adapter=self._adapter, trace=self._record.trace_parent
        )
        reply = services().engine.submit(message)
        self._exits.callback(reply.close)
        self._watch_for_hangup(reply)
        deadline = get_hub().loop.timer(seconds)
        self._exits.callback(deadline.close)
        deadline.start(reply.time_out, seconds)
        return reply

    def _watch_for_hangup(self, reply: Reply) -> None:
        """Abort `reply` when the client hangs up."""
        socket = flask.request.environ.get("gunicorn.socket")
        if socket is not None:
            cut_off_when_stuck(socket)
            fd, hangups = socket.fileno(), services().hangups
            hangups.add(fd, reply.hang_up)
            self._exits.callback(hangups.remove, fd)

    def _stream(self, reply: Reply) -> Response:
        events = sse.events(
            reply,
            self._shape,
            include_usage=self._request.include_usage,
            on_text=self._record.on_text,
            on_end=self._record.on_end,
            writer=ChunkWriter(
                chunked_connection(flask.request.environ) if self._on_complete is None else None, self._shape
            ),
            on_complete=self._on_complete,
        )
        return Response(events, content_type="text/event-stream; charset=utf-8", headers=sse.HEADERS)

    def _whole(self, reply: Reply) -> Response:
        while not reply.consumed:
            for delta in reply.deltas():
                self._record.on_text()
                self._shape.add(delta)
        if self._on_complete is not None:
            self._shape.warning = self._on_complete(self._shape)
        self._record.status = 200
        return Response(self._shape.whole(), content_type="application/json")


def _allowed_seconds() -> float:
    """Return the seconds that the request may take: HEARTH_REQUEST_TIMEOUT, or the client's X-Request-Timeout if less.

    Raises `ApiError` (400).
    """
    allowed = services().settings.request_seconds
    given = flask.request.headers.get("X-Request-Timeout")
    if given is None:
        return allowed
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise invalid("The header X-Request-Timeout must be a number of seconds above 0.", "X-Request-Timeout")
    return min(seconds, allowed)


def _check_model(name: str | None, welcome: Welcome) -> None:
    if services().settings.strict_model and name is not None and name not in welcome.served_names:
        raise model_not_found(name)


def model_not_found(name: str) -> ApiError:
    return ApiError(404, f"The model {quoted(name)} does not exist.", code="model_not_found", param="model")
