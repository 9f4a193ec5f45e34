"""Answer a valid request over HTTP: send it to the engine, and shape its deltas into the response."""

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from flask import Response

from schemas.errors import ApiError, invalid, quoted
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.wire import Welcome
from webapp.answering import sse
from webapp.answering.message import make_message
from webapp.answering.ongoing import Ongoing
from webapp.answering.sse import OnComplete
from webapp.connection.chunk_writer import ChunkWriter, chunked_connection
from webapp.connection.yielding import LONGEST_PIECE, in_turns
from webapp.engine.reply import HungUp, Reply
from webapp.middleware import call as calls
from webapp.middleware import request_id
from webapp.middleware.call import Call
from webapp.observing.request_log import RequestLog
from webapp.server.first_byte import SEND_FIRST_BYTE
from webapp.services import Services, services

DISCONNECTED = 499
"""nginx's status for a client that closed the connection before the response."""


@dataclass(slots=True)
class Answered:
    """A response. `close` is called when its body has been sent, or will not be."""

    status: int
    headers: list[tuple[str, str]]
    body: Iterable[bytes]
    close: Callable[[], None]


def answer(request: Request, make_shape: Callable[..., Shape], on_complete: OnComplete | None = None) -> Response:
    """Return the response to `request`, which Flask has routed. See `begin`."""
    answered = begin(calls.current(), services(), request, make_shape, on_complete)
    response = Response(answered.body, answered.status, answered.headers)
    response.call_on_close(answered.close)
    return response


def begin(
    call: Call,
    shared: Services,
    request: Request,
    make_shape: Callable[..., Shape],
    on_complete: OnComplete | None = None,
) -> Answered:
    """Return the response to `request`, the body of `call`. The headers of a stream are sent with its first text, or
    after `sse.HEADERS_SECONDS`. A refusal that comes later is an event of the stream.

    `on_complete` gets the reply when every choice has ended, before the client receives the end, and may return a
    warning for the client; it is not called if the client has hung up by then. Raises `ApiError` if the engine cannot
    accept the request, or refuses it. Nothing has been logged or sent to the engine unless `call` is `LOGGED`.
    """
    welcome = shared.engine.require_ready()
    adapter = adapter_of(request, welcome, strict=shared.settings.strict_model)
    shape = make_shape(
        adapter or welcome.served_names[0],
        request.params.choices,
        fingerprint=welcome.system_fingerprint,
        **request.shape_options(),
    )
    seconds = allowed_seconds(call.environ, shared.settings.request_seconds)
    ongoing = Answer(call, shared, request, shape, on_complete)
    try:
        return ongoing.respond(adapter, seconds)
    except BaseException as error:
        ongoing.fail(getattr(error, "status", 500))
        raise


class Answer(Ongoing):
    """The answer to one request over its client's connection. All that it holds is released when the response is
    closed, or at once if an exception is raised before there is a response.
    """

    def __init__(
        self, call: Call, shared: Services, request: Request, shape: Shape, on_complete: OnComplete | None
    ) -> None:
        record = RequestLog(call, stream=request.params.stream, user=request.params.user, shape=shape)
        super().__init__(shared, record)
        self._call = call
        self._request = request
        self._shape = shape
        self._on_complete = on_complete
        self._watched: int | None = None
        """The file descriptor that is watched for a hang-up."""

    def _release(self) -> None:
        if self._watched is not None:
            self._shared.hangups.remove(self._watched)
        super()._release()

    def respond(self, adapter: str, seconds: float) -> Answered:
        """Send the request and return its response. After `seconds` the client gets an error in place of the rest."""
        reply = self._send(adapter, seconds)
        headers = [(request_id.HEADER, self._call.request_id or self._shape.id)]
        try:
            if self._request.params.stream:
                reply.wait(sse.HEADERS_SECONDS)
                return Answered(200, [*sse.HEADERS, *headers], self._stream(reply), self.close)
            whole = self._whole(reply)
        except HungUp:
            return Answered(DISCONNECTED, [("Content-Length", "0"), *headers], (), self.close)
        described = [("Content-Type", "application/json"), ("Content-Length", str(sum(map(len, whole))))]
        body = whole if len(whole) == 1 and len(whole[0]) <= LONGEST_PIECE else in_turns(whole)
        return Answered(200, described + headers, body, self.close)

    def _send(self, adapter: str, seconds: float) -> Reply:
        message = make_message(
            self._call,
            self._shared,
            self._request.params,
            name=self._shape.id,
            adapter=adapter,
            trace=self._record.trace_parent,
        )
        reply = self._submit(message, self._request.stream_interval)
        socket = self._call.environ.get("gunicorn.socket")
        if socket is not None:
            self._watched = socket.fileno()
            self._shared.hangups.add(self._watched, reply.hang_up, self._on_half_close)
        self._limit(reply, seconds)
        return reply

    def _on_half_close(self) -> None:
        """Write to a client that sends nothing more: it keeps its answer, unless the write shows that it is gone."""
        headers_are_sent = not self._call.environ[SEND_FIRST_BYTE]()
        if headers_are_sent and self._reply is not None:
            self._reply.ask_for_ping()

    def _stream(self, reply: Reply) -> Iterable[bytes]:
        return sse.events(
            reply,
            self._shape,
            include_usage=self._request.include_usage,
            on_text=self._record.on_text,
            on_end=self._record.on_end,
            writer=ChunkWriter(
                chunked_connection(self._call.environ), self._shape, keeps_content=self._on_complete is not None
            ),
            on_complete=self._on_complete,
        )

    def _whole(self, reply: Reply) -> list[bytes]:
        """Return the body in pieces. Its long parts are encoded as they come, and never copied into one."""
        self._gather(reply, self._shape)
        if self._on_complete is not None:
            self._shape.warn(self._on_complete(self._shape))
        self._record.status = 200
        return self._shape.whole_pieces()


def allowed_seconds(environ: dict[str, Any], allowed: float) -> float:
    """Return the seconds that the request may take: `allowed`, or the client's X-Request-Timeout if less.

    Raises `ApiError` (400).
    """
    given = environ.get("HTTP_X_REQUEST_TIMEOUT")
    if given is None:
        return allowed
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise invalid("The header X-Request-Timeout must be a number of seconds above 0.", "X-Request-Timeout")
    return min(seconds, allowed)


def adapter_of(request: Request, welcome: Welcome, *, strict: bool) -> str:
    """Return the LoRA adapter that `request` names; empty: the model itself. Raises `ApiError` (404) if it is `strict`
    and the name is unknown.
    """
    name = request.model
    adapter = welcome.adapter_named(name)
    if not adapter and strict and name is not None and name not in welcome.served_names:
        raise model_not_found(name)
    return adapter


def model_not_found(name: str) -> ApiError:
    return ApiError(404, f"The model {quoted(name)} does not exist.", code="model_not_found", param="model")
