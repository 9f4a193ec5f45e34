"""One line of a batch: validated as its endpoint's body is, and answered as a request over HTTP is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import msgspec

from schemas.errors import ApiError, invalid, quoted
from schemas.replies.batches.results import answered
from schemas.replies.chat import ChatShape
from schemas.replies.completion import CompletionShape
from schemas.replies.embedding import EmbeddingShape
from schemas.replies.response import ResponseShape
from schemas.replies.shape import Shape
from schemas.requests import batch_lines
from schemas.requests.batch_lines import InvalidLine, Line, LineReader, as_told
from schemas.requests.generation import Request
from schemas.requests.reading import body
from schemas.requests.responses import ResponseRequest
from schemas.wire import Welcome
from webapp.answering.answer import adapter_of
from webapp.answering.message import make_message, renamed
from webapp.answering.ongoing import Ongoing
from webapp.answering.response_prompt import echoed, standing_alone
from webapp.batches.batch import Batch, Counts
from webapp.middleware.call import Call
from webapp.observing.request_log import RequestLog
from webapp.services import RequestSchemas, Services

MakeShape = Callable[..., Shape]
NOT_STORED = "`store`: a batch's responses are not stored."


@dataclass(frozen=True, slots=True)
class Prepared:
    """A valid line."""

    request: Request
    make_shape: Callable[[Welcome], MakeShape]


def prepare(schemas: RequestSchemas, line: Line) -> Prepared:
    """Return the request of a line. Not for the hub: a line may have megabytes. Raises `ApiError` (400)."""
    match line.url:
        case "/v1/chat/completions":
            return Prepared(batch_lines.load(schemas.chat, line.body), lambda welcome: ChatShape)
        case "/v1/completions":
            return Prepared(batch_lines.load(schemas.completion, line.body), lambda welcome: CompletionShape)
        case "/v1/embeddings":
            request, in_base64 = body.load(schemas.embedding, line.body)
            return Prepared(request, lambda welcome: partial(EmbeddingShape, in_base64))
    with renamed(ResponseShape.engine_names):
        return _response(body.load(schemas.response, line.body), line)


def read(endpoint: str, max_bytes: int, number: int, raw: bytes) -> Line:
    """Return a line that was valid when its batch began. Raises `ApiError` (400): the settings are others now."""
    try:
        return LineReader((endpoint,), max_bytes).read(number, raw)
    except InvalidLine as error:
        raise invalid(as_told(number, error), error.param, error.code) from None


def _response(asked: ResponseRequest, line: Line) -> Prepared:
    """Return a response's request, which stands alone: nothing is stored before it or after it."""
    if asked.request.params.stream:
        raise batch_lines.no_stream()
    refers = any(item["type"] == "item_reference" for item in asked.items)
    for name, given in (
        ("background", line.body.get("background")),
        ("conversation", asked.conversation),
        ("previous_response_id", asked.previous),
        ("input", refers),
    ):
        if given:
            raise invalid("A batch's responses refer to nothing that is stored.", name)
    if asked.truncate:
        raise invalid("A batch truncates no input: omit `truncation`.", "truncation")
    asked.echoed["store"] = False
    request = standing_alone(asked)
    if line.body.get("store"):
        request = replace(request, warnings=(*request.warnings, NOT_STORED))
    return Prepared(request, lambda welcome: partial(ResponseShape, echoed(asked, welcome), None))


def check_model(batch: Batch, asked: str | None, welcome: Welcome) -> None:
    """Raise `ApiError` (404) if another model would answer a line that asks for `asked` than when its batch began."""
    lost = batch.model if batch.model and batch.model not in welcome.served_names else ""
    if asked in msgspec.json.decode(batch.adapters) and asked not in welcome.adapters:
        lost = asked or ""
    if lost:
        message = f"The batch began with the model {quoted(lost)}, which is not served any more."
        raise ApiError(404, message, code="model_not_found", param="model", final=True)


class LineAnswer(Ongoing):
    """The answer to one line, of which the client sees the whole alone."""

    def __init__(self, shared: Services, call: Call, prepared: Prepared, batch: Batch) -> None:
        """`call` stands for the HTTP request that would ask the same. Raises `ApiError` (404, 503)."""
        welcome = shared.engine.require_ready()
        check_model(batch, prepared.request.model, welcome)
        self._call = call
        self._prepared = prepared
        request = prepared.request
        self._adapter = adapter_of(request, welcome, strict=shared.settings.strict_model)
        self._shape = prepared.make_shape(welcome)(
            self._adapter or welcome.served_names[0],
            request.params.choices,
            fingerprint=welcome.system_fingerprint,
            **request.shape_options(),
        )
        self._hung_up = False
        record = RequestLog(call, stream=False, user=request.params.user, shape=self._shape, awaited=False)
        super().__init__(shared, record)

    @property
    def id(self) -> str:
        """The public id, such as `chatcmpl-...`."""
        return self._shape.id

    def hang_up(self) -> None:
        """End the answer: its greenlet gets `HungUp`."""
        self._hung_up = True
        if self._reply is not None:
            self._reply.hang_up()

    def run(self) -> None:
        """Have the engine answer. Raises `ApiError`, `HungUp`."""
        try:
            with renamed(self._shape.engine_names):
                self._run()
            self._record.status = 200
        except ApiError as error:
            self._record.status = error.status
            raise
        finally:
            self.close()

    def _run(self) -> None:
        shared, params = self._shared, self._prepared.request.params
        message = make_message(
            self._call, shared, params, name=self.id, adapter=self._adapter, trace=self._record.trace_parent
        )
        reply = self._submit(message)
        if self._hung_up:  # meanwhile
            reply.hang_up()
        self._limit(reply, shared.settings.request_seconds)
        self._gather(reply, self._shape)

    def result(self, custom_id: str) -> bytes:
        """Return the line's result, once `run` has returned. Not for the hub: it may have megabytes."""
        return answered(custom_id, self.id, 200, self._shape.whole())

    def counts(self) -> Counts:
        """Return what the answer adds to the batch."""
        shape = self._shape
        return Counts(
            completed=1,
            input_tokens=shape.prompt_tokens,
            cached_tokens=min(shape.cached_tokens, shape.prompt_tokens),
            output_tokens=shape.completion_tokens,
            reasoning_tokens=shape.reasoning_tokens,
        )
