"""From a valid request to its HTTP response: send it to the engine, and shape what comes back."""

import math
import re
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from flask import Response, current_app, request
from gevent import get_hub

from schemas.errors import ApiError, invalid
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.wire import EXTENDED, Generate, Welcome
from webapp.answering import sse
from webapp.answering.sse import OnComplete
from webapp.connection.chunk_writer import ChunkWriter, chunked_connection
from webapp.connection.hangups import HangupWatch, cut_off_when_stuck
from webapp.engine.client import EngineClient
from webapp.engine.reply import HungUp, Reply
from webapp.middleware import request_id
from webapp.middleware.auth import caller
from webapp.observing.request_log import RequestLog
from webapp.settings import Settings


def answer(wanted: Request, make_shape: Callable[..., Shape], on_complete: OnComplete | None = None) -> Response:
    """A stream's headers leave with its first text, or after `sse.PING_SECONDS` where the engine has accepted it.

    `on_complete` gets the reply when every choice has ended, before the client sees the end, and may
    return a warning for the reply; it is not called where the client has gone by then. Raises `ApiError`: the engine
    cannot take the request, or refuses it.
    """
    engine: EngineClient = current_app.extensions["engine"]
    welcome = engine.require_ready()
    generate = wanted.generate
    generate.adapter = welcome.adapter_named(wanted.model)
    if not generate.adapter:
        _check_model(wanted.model, welcome)
    check_engine(generate, welcome)
    shape = make_shape(
        generate.adapter or welcome.served_names[0],
        generate.choices,
        fingerprint=welcome.system_fingerprint,
        **wanted.shape_options(),
    )
    generate.name = shape.id
    generate.tenant = caller()
    generate.request_id = request_id.given()
    seconds = _allowed_seconds()
    generate.cache_salt = _cache_salt(generate.cache_salt)
    if generate.stream and generate.rewritten and generate.sampling.seed is None:
        generate.sampling.seed = secrets.randbits(62)  # so that another engine can write the same
    record = RequestLog(request.path, generate, shape)
    try:
        reply = engine.submit(generate)
    except BaseException as error:
        record.status = getattr(error, "status", 500)
        record.write()
        raise
    unwatch = _watch_for_hangup(reply)
    deadline = get_hub().loop.timer(seconds)
    deadline.start(reply.time_out, seconds)
    try:
        if generate.stream:
            reply.wait(sse.PING_SECONDS)
            _note_prompt(reply, shape)
            response = _stream(reply, shape, record, wanted, on_complete)
        else:
            response = _whole(reply, shape, record, on_complete)
    except HungUp:
        response = Response(status=499)
    except BaseException as error:
        record.status = getattr(error, "status", 500)
        _close(reply, record, unwatch, deadline)
        raise
    response.headers[request_id.HEADER] = generate.request_id or shape.id
    response.call_on_close(lambda: _close(reply, record, unwatch, deadline))
    return response


def _stream(
    reply: Reply, shape: Shape, record: RequestLog, wanted: Request, on_complete: OnComplete | None
) -> Response:
    record.status = 200
    events = sse.events(
        reply,
        shape,
        include_usage=wanted.include_usage,
        on_text=record.text,
        writer=ChunkWriter(chunked_connection(request.environ) if on_complete is None else None, shape),
        on_complete=on_complete,
    )
    return Response(events, content_type="text/event-stream; charset=utf-8", headers=sse.HEADERS)


def _whole(reply: Reply, shape: Shape, record: RequestLog, on_complete: OnComplete | None) -> Response:
    while not reply.finished:
        for delta in reply.deltas():
            record.text()
            shape.add(delta)
    _note_prompt(reply, shape)
    if on_complete is not None:
        shape.warning = on_complete(shape)
    record.status = 200
    return Response(shape.whole(), content_type="application/json")


def _note_prompt(reply: Reply, shape: Shape) -> None:
    shape.prompt_tokens = reply.prompt_tokens or 0
    shape.prompt_token_ids = reply.prompt_token_ids


def _close(reply: Reply, record: RequestLog, unwatch: Any, deadline: Any) -> None:
    deadline.close()
    unwatch()
    reply.close()
    record.prompt_tokens = reply.prompt_tokens or 0
    record.write()


def _watch_for_hangup(reply: Reply) -> Any:
    """Abort `reply` when the client goes. Returns what ends the watch."""
    socket = request.environ.get("gunicorn.socket")
    if socket is None:
        return lambda: None
    watch: HangupWatch = current_app.extensions["hangups"]
    cut_off_when_stuck(socket)
    fd = socket.fileno()
    watch.add(fd, reply.hang_up)
    return lambda: watch.remove(fd)


def _allowed_seconds() -> float:
    """HEARTH_REQUEST_TIMEOUT, or less where the client's X-Request-Timeout says so. Raises `ApiError` (400)."""
    settings: Settings = current_app.extensions["settings"]
    given = request.headers.get("X-Request-Timeout")
    if given is None:
        return settings.request_seconds
    try:
        seconds = float(given)
    except ValueError:
        seconds = math.nan
    if not seconds > 0:
        raise invalid("The header X-Request-Timeout must be a number of seconds above 0.", "X-Request-Timeout")
    return min(seconds, settings.request_seconds)


def _cache_salt(given: str) -> str:
    """What a prompt takes tells whether its beginning is in vLLM's cache, so callers do not share that unasked."""
    settings: Settings = current_app.extensions["settings"]
    own = "" if settings.share_prefix_cache or not settings.api_keys else caller()
    return f"{caller()}/{given}" if given else own


def _check_model(name: str | None, welcome: Welcome) -> None:
    settings: Settings = current_app.extensions["settings"]
    if settings.strict_model and name is not None and name not in welcome.served_names:
        raise model_not_found(name)


def check_engine(generate: Generate, welcome: Welcome) -> None:
    """Raises `ApiError` (400) where the engine is older than this web tier, and would ignore a part of the request."""
    field = None if EXTENDED in welcome.features else generate.extended
    if field is not None:
        raise invalid(f"The engine that is running is too old for `{field}`: its operator must upgrade it.", field)


@contextmanager
def renamed(names: dict[str, str]) -> Iterator[None]:
    """An error of what is done within names a field as this API does. `names`: from the engine's to this API's."""
    try:
        yield
    except ApiError as error:
        for theirs, ours in names.items():
            if error.param is not None and re.match(rf"{theirs}\b", error.param):
                error.message = error.message.replace(f"`{error.param}`", f"`{ours}{error.param[len(theirs) :]}`")
                error.param = ours + error.param[len(theirs) :]
                break
        raise


def model_not_found(name: str) -> ApiError:
    return ApiError(404, f"The model {name!r} does not exist.", code="model_not_found", param="model")
