"""The operations of the OpenAPI document by their kinds: what each takes, replies, and refuses."""

from typing import Any

from schemas.openapi.replies import STRING, Json, ref

ERRORS = {
    400: "The request is invalid: `param` names the field. A prompt longer than the context has the code "
    "`context_length_exceeded`.",
    401: "No API key, or a wrong one: `invalid_api_key`.",
    403: "The server has no admin key: `no_admin_key`.",
    404: "No such model: `model_not_found` (on a request that generates, only with `HEARTH_STRICT_MODEL=1`).",
    408: "The body did not arrive in time.",
    413: "The body is larger than `HEARTH_MAX_BODY_BYTES`.",
    415: "The body is not `application/json`.",
    429: "The queue is full, or this API key's share of it; `Retry-After` says when to try again.",
    500: "An internal error. With the code `engine_lost` and `X-Should-Retry: false`, the request itself has ended "
    "engines: do not send it again.",
    503: "The engine is loading, restarting or gone; `Retry-After` says when to try again.",
}
NO_CONVERSATION = "No such conversation: `conversation_not_found`; no such item: `item_not_found`."
NO_DATABASE = "The database does not answer: `conversation_store_unavailable`."
RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
REQUEST_ID: Json = {
    "X-Request-ID": {
        "description": "The request's id in both tiers' logs: the client's own `X-Request-ID`, or the reply's `id`.",
        "schema": STRING,
    }
}
BODY_ERRORS = (400, 401, 408, 413, 415, 429, 500, 503)


def json_content(name: str) -> Json:
    return {"application/json": {"schema": ref(name)}}


def refusal(status: int, description: str) -> Json:
    headers = {"headers": RETRY_AFTER} if status in (429, 503) else {}
    return {"description": description, "content": json_content("Error"), **headers}


def answers(description: str, content: Json, errors: tuple[int, ...], headers: Json | None = None) -> Json:
    success = {"description": description, "content": content} | ({"headers": headers} if headers else {})
    return {"200": success} | {str(status): refusal(status, ERRORS[status]) for status in errors}


def described(tag: str, name: str, summary: str, responses: Json, **more: Any) -> Json:
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses, **more}


def generate(name: str, summary: str, request: str, reply: str, chunk: str | None = None) -> Json:
    description, content = "The whole answer.", json_content(reply)
    errors: tuple[int, ...] = BODY_ERRORS
    if chunk is not None:
        description = (
            "The whole answer; with `stream`, server-sent events, each `data: ` and a chunk, then `data: [DONE]`. An "
            "error after the first event is sent as the last event."
        )
        content = content | {"text/event-stream": {"schema": ref(chunk)}}
        errors = tuple(sorted((*BODY_ERRORS, 404)))
    body = {"required": True, "content": json_content(request)}
    responses = answers(description, content, errors, REQUEST_ID)
    return described("Generate", name, summary, responses, requestBody=body)


def tokenization(name: str, summary: str, request: str, reply: str) -> Json:
    body = {"required": True, "content": json_content(request)}
    return described(
        "Models", name, summary, answers("The result.", json_content(reply), BODY_ERRORS), requestBody=body
    )


def anthropic(operation: Json) -> Json:
    """Return `operation` as one of Anthropic's API: its stream ends otherwise, and its errors have another shape."""
    responses = {
        status: {**response, "content": response["content"] if status == "200" else json_content("AnthropicError")}
        for status, response in operation["responses"].items()
    }
    if "text/event-stream" in responses["200"]["content"]:
        responses["200"]["description"] = (
            "The whole message; with `stream`, server-sent events from `message_start` to `message_stop`. An error "
            "after the first event is an event `error`, the last one."
        )
    return operation | {"tags": ["Messages"], "responses": responses}


def from_items(operation: Json) -> Json:
    """Return `operation`, whose request may refer to stored items."""
    missing = {"404": refusal(404, f"{ERRORS[404]} No such stored item: `item_not_found`.")}
    return operation | {"responses": operation["responses"] | missing}


def query(tag: str, name: str, summary: str, reply: str, *errors: int, public: bool = False) -> Json:
    more: Json = {"security": []} if public else {}
    return described(tag, name, summary, answers("The current state.", json_content(reply), errors), **more)


def administer(name: str, summary: str, reply: str, *errors: int, what: str = "request") -> Json:
    operation = query("Operate", name, f"{summary} It needs `HEARTH_ADMIN_KEY`.", reply, 401, 403, *errors, 503)
    told = operation["responses"]
    told["401"]["description"] = "No admin key, or a wrong one: `invalid_admin_key`."
    if 404 in errors:
        told["404"]["description"] = f"No such {what} is under way: `{what}_not_found`."
    if what == "job":
        told["503"]["description"] = "The database does not answer: `job_store_unavailable`."
    return operation


def conversation(
    name: str, summary: str, reply: str, request: str | None = None, parameters: tuple[Json, ...] = ()
) -> Json:
    errors = (400, 401, 404, 500, 503) if request is None else (400, 401, 404, 408, 413, 415, 500, 503)
    operation = query("Conversations", name, summary, reply, *errors)
    operation["responses"]["400"]["description"] = (
        "The request is invalid, or the conversation exceeds its size limit: `conversation_too_long`."
    )
    operation["responses"]["404"]["description"] = NO_CONVERSATION
    operation["responses"]["503"]["description"] = NO_DATABASE
    body = {} if request is None else {"requestBody": {"required": True, "content": json_content(request)}}
    return operation | body | ({"parameters": list(parameters)} if parameters else {})


def response(name: str, summary: str, reply: str, *errors: int, parameters: tuple[Json, ...] = ()) -> Json:
    operation = query("Responses", name, summary, reply, *sorted((401, 404, 500, 503, *errors)))
    operation["responses"]["404"]["description"] = "No such response: `response_not_found`."
    operation["responses"]["503"]["description"] = NO_DATABASE
    return operation | {"parameters": [in_path("id", "The response's `id`."), *parameters]}


def in_path(name: str, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": STRING, "description": description}


def by_id(description: str) -> Json:
    return {"parameters": [in_path("id", description)]}


def in_query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


EVENT_NUMBER: Json = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
AFTER = (
    in_query("after", EVENT_NUMBER, "The `id` of the last event that the client has; without it, all are sent."),
    in_query("Last-Event-ID", EVENT_NUMBER, "The same, as browsers send it; `after` goes before.") | {"in": "header"},
)


def events(operation: Json, chunk: str) -> Json:
    """Return `operation`, whose reply may be server-sent events, or is always that where it is of type `chunk`."""
    content = operation["responses"]["200"]["content"]
    if content == json_content(chunk):
        content.clear()
    content["text/event-stream"] = {"schema": ref(chunk)}
    operation["responses"]["400"]["description"] = "There is no such event: `event_not_found`."
    return operation


def stream(name: str, summary: str, reply: str, *errors: int, parameters: tuple[Json, ...] = ()) -> Json:
    operation = query("Generate", name, summary, reply, *sorted((401, 404, 500, 503, *errors)))
    operation["responses"]["404"]["description"] = "No such stream: `stream_not_found`."
    operation["responses"]["503"]["description"] = "The database does not answer: `job_store_unavailable`."
    return operation | {"parameters": [in_path("id", "The `id` in the stream's events."), *parameters]}


CONVERSATION_ID = in_path("id", "The conversation's id: the `conversation_id` of a chat completion.")
ITEM_ID = in_path("item_id", "The item's `id`.")
PAGE = (
    in_query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Most items to return."),
    in_query("order", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}, "`desc`: the newest first."),
    in_query("after", STRING, "The id of an item: those that follow it are returned."),
)


def documentation(name: str, summary: str, media_type: str, schema: Json) -> Json:
    responses = answers("The documentation.", {media_type: {"schema": schema}}, ())
    return described("Operate", name, summary, responses, security=[])


def page(name: str, summary: str) -> Json:
    return described("Operate", name, summary, answers("HTML.", {"text/html": {"schema": STRING}}, ()), security=[])
