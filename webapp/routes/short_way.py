"""The short way of the requests that most are: a good body for an endpoint that generates, with nothing to decide.

Flask's contexts, routing, hooks and responses take as long as the rest of a request. The short way takes a request that
passes every check of the long one; whatever needs a decision, above all a refusal, is left to Flask, which begins with
it anew. So there is one author of each refusal, and both ways answer with `webapp.answering.answer.begin`.
"""

import io
from collections.abc import Callable, Generator, Iterable, Iterator
from typing import Any

from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.shape import Shape
from schemas.requests.generation import Request
from schemas.requests.parts.json_types import Body
from schemas.requests.parts.tools import check_results
from schemas.requests.reading import body
from webapp.answering.answer import Answered, begin
from webapp.answering.request_body import LARGE, fits_a_turn
from webapp.middleware import auth, hosts, request_id
from webapp.middleware.call import LOGGED, Call
from webapp.middleware.errors import ERROR
from webapp.server.unread import arrived
from webapp.services import Services

Environ = dict[str, Any]
Application = Callable[[Environ, Any], Iterable[bytes]]

JSON = "application/json"


class _Closing:
    """The body of a response, whose WSGI server calls `close` when the body has been sent, or will not be."""

    __slots__ = ("_answered",)

    def __init__(self, answered: Answered) -> None:
        self._answered = answered

    def __iter__(self) -> Iterator[bytes]:
        return iter(self._answered.body)

    def close(self) -> None:
        if isinstance(self._answered.body, Generator):
            self._answered.body.close()
        self._answered.close()


class ShortWay:
    """WSGI middleware around a Flask application."""

    def __init__(self, flask: Application, shared: Services) -> None:
        self._flask = flask
        self._shared = shared
        self._routes: dict[str, tuple[Body, type[Shape]]] = {
            "/v1/chat/completions": (shared.schemas.chat, ChatShape),
            "/v1/completions": (shared.schemas.completion, CompletionShape),
        }
        settings = shared.settings
        self._keys = settings.api_keys
        self._is_allowed_host = hosts.make_check(settings.allowed_hosts, settings.bind)
        self._more_headers = [("Vary", "Origin")] if settings.cors_origins else []

    def __call__(self, environ: Environ, start_response: Any) -> Iterable[bytes]:
        answered = self._answer(environ)
        if answered is None:
            return self._flask(environ, start_response)
        start_response("200 OK" if answered.status == 200 else str(answered.status), answered.headers)
        return _Closing(answered)

    def _answer(self, environ: Environ) -> Answered | None:
        """Return the response, or None where Flask must answer."""
        route = self._routes.get(environ["PATH_INFO"])
        if route is None or not self._is_plain(environ):
            return None
        key = auth.find_key(environ.get("HTTP_AUTHORIZATION", ""), self._keys) if self._keys else None
        if key is None and self._keys:
            return None
        raw = arrived(environ["wsgi.input"], int(environ["CONTENT_LENGTH"]))
        if raw is None:
            return None
        schema, make_shape = route
        call = Call(environ, environ["PATH_INFO"], request_id.usable(environ), key)
        try:
            request: Request | None = body.accept(schema, raw) if fits_a_turn(raw) else None
            if request is not None and request.conversation_id is None and not request.resumable:
                answered = begin(call, self._shared, _with_messages(request), make_shape)
                answered.headers += self._more_headers
                return answered
        except Exception as error:
            if LOGGED in environ:
                environ[ERROR] = error
        environ["wsgi.input"] = io.BytesIO(raw)
        return None

    def _is_plain(self, environ: Environ) -> bool:
        """Return whether the request passes all checks of its headers, apart from the key."""
        length = environ.get("CONTENT_LENGTH", "")
        return (
            environ["REQUEST_METHOD"] == "POST"
            and "HTTP_ORIGIN" not in environ
            and "HTTP_TRANSFER_ENCODING" not in environ
            and "HTTP_CONTENT_ENCODING" not in environ
            and "HTTP_X_RESUMABLE" not in environ
            and environ.get("CONTENT_TYPE", "").partition(";")[0] == JSON
            and length.isdecimal()
            and len(length) < 10
            and int(length) <= min(LARGE, self._shared.settings.max_body_bytes)
            and self._is_allowed_host(environ)
        )


def _with_messages(request: Request) -> Request:
    """Return the request with its whole conversation, as `webapp.routes.chat` does. Raises `ApiError` (400)."""
    messages = request.params.messages
    if messages is None:
        return request
    check_results(messages, len(messages))
    return request.with_messages(messages)
