"""The endpoints, and the replies and errors of each: the part of the OpenAPI document that is not a schema."""

from typing import Any

from schemas.openapi.replies import STRING, Json, ref

TAGS = [
    {"name": "Generate", "description": "Turn a prompt into text."},
    {"name": "Responses", "description": "Responses that the server stores, unless `store` is false."},
    {"name": "Messages", "description": "Anthropic's API. Its errors are Anthropic's, and `request-id` is a header."},
    {
        "name": "Conversations",
        "description": "Conversations that the server stores under an id, which a client may choose.",
    },
    {"name": "Models", "description": "The models that are served, and their tokenizer."},
    {"name": "Operate", "description": "Probes, versions and this documentation."},
]
ERRORS = {
    400: "The request is invalid: `param` names the field. A prompt longer than the context has the code "
    "`context_length_exceeded`.",
    401: "No API key, or a wrong one: `invalid_api_key`.",
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


def _json(name: str) -> Json:
    return {"application/json": {"schema": ref(name)}}


def _error(status: int, description: str) -> Json:
    headers = {"headers": RETRY_AFTER} if status in (429, 503) else {}
    return {"description": description, "content": _json("Error"), **headers}


def _responses(description: str, content: Json, errors: tuple[int, ...], headers: Json | None = None) -> Json:
    success = {"description": description, "content": content} | ({"headers": headers} if headers else {})
    return {"200": success} | {str(status): _error(status, ERRORS[status]) for status in errors}


def _operation(tag: str, name: str, summary: str, responses: Json, **more: Any) -> Json:
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses, **more}


def _generate(name: str, summary: str, request: str, reply: str, chunk: str | None = None) -> Json:
    description, content = "The whole answer.", _json(reply)
    errors: tuple[int, ...] = BODY_ERRORS
    if chunk is not None:
        description = (
            "The whole answer; with `stream`, server-sent events, each `data: ` and a chunk, then `data: [DONE]`. An "
            "error after the first event is sent as the last event."
        )
        content = content | {"text/event-stream": {"schema": ref(chunk)}}
        errors = tuple(sorted((*BODY_ERRORS, 404)))
    body = {"required": True, "content": _json(request)}
    responses = _responses(description, content, errors, REQUEST_ID)
    return _operation("Generate", name, summary, responses, requestBody=body)


def _tokenization(name: str, summary: str, request: str, reply: str) -> Json:
    body = {"required": True, "content": _json(request)}
    return _operation("Models", name, summary, _responses("The result.", _json(reply), BODY_ERRORS), requestBody=body)


def _anthropic(operation: Json) -> Json:
    """Return `operation` as one of Anthropic's API: its stream ends otherwise, and its errors have another shape."""
    responses = {
        status: {**response, "content": response["content"] if status == "200" else _json("AnthropicError")}
        for status, response in operation["responses"].items()
    }
    if "text/event-stream" in responses["200"]["content"]:
        responses["200"]["description"] = (
            "The whole message; with `stream`, server-sent events from `message_start` to `message_stop`. An error "
            "after the first event is an event `error`, the last one."
        )
    return operation | {"tags": ["Messages"], "responses": responses}


def _from_items(operation: Json) -> Json:
    """Return `operation`, whose request may refer to stored items."""
    missing = {"404": _error(404, f"{ERRORS[404]} No such stored item: `item_not_found`.")}
    return operation | {"responses": operation["responses"] | missing}


def _query(tag: str, name: str, summary: str, reply: str, *errors: int, public: bool = False) -> Json:
    more: Json = {"security": []} if public else {}
    return _operation(tag, name, summary, _responses("The current state.", _json(reply), errors), **more)


def _conversation(
    name: str, summary: str, reply: str, request: str | None = None, parameters: tuple[Json, ...] = ()
) -> Json:
    errors = (400, 401, 404, 500, 503) if request is None else (400, 401, 404, 408, 413, 415, 500, 503)
    operation = _query("Conversations", name, summary, reply, *errors)
    operation["responses"]["400"]["description"] = (
        "The request is invalid, or the conversation exceeds its size limit: `conversation_too_long`."
    )
    operation["responses"]["404"]["description"] = NO_CONVERSATION
    operation["responses"]["503"]["description"] = NO_DATABASE
    body = {} if request is None else {"requestBody": {"required": True, "content": _json(request)}}
    return operation | body | ({"parameters": list(parameters)} if parameters else {})


def _response(name: str, summary: str, reply: str, *errors: int, parameters: tuple[Json, ...] = ()) -> Json:
    operation = _query("Responses", name, summary, reply, *sorted((401, 404, 500, 503, *errors)))
    operation["responses"]["404"]["description"] = "No such response: `response_not_found`."
    operation["responses"]["503"]["description"] = NO_DATABASE
    return operation | {"parameters": [_in_path("id", "The response's `id`."), *parameters]}


def _in_path(name: str, description: str) -> Json:
    return {"name": name, "in": "path", "required": True, "schema": STRING, "description": description}


def _id(description: str) -> Json:
    return {"parameters": [_in_path("id", description)]}


def _in_query(name: str, schema: Json, description: str) -> Json:
    return {"name": name, "in": "query", "required": False, "schema": schema, "description": description}


EVENT_NUMBER: Json = {"type": "integer", "minimum": 0, "maximum": 999_999_999}
AFTER = (
    _in_query("after", EVENT_NUMBER, "The `id` of the last event that the client has; without it, all are sent."),
    _in_query("Last-Event-ID", EVENT_NUMBER, "The same, as browsers send it; `after` goes before.") | {"in": "header"},
)


def _events(operation: Json, chunk: str) -> Json:
    """Return `operation`, whose reply may be server-sent events, or is always that where it is of type `chunk`."""
    content = operation["responses"]["200"]["content"]
    if content == _json(chunk):
        content.clear()
    content["text/event-stream"] = {"schema": ref(chunk)}
    operation["responses"]["400"]["description"] = "There is no such event: `event_not_found`."
    return operation


def _stream(name: str, summary: str, reply: str, *errors: int, parameters: tuple[Json, ...] = ()) -> Json:
    operation = _query("Generate", name, summary, reply, *sorted((401, 404, 500, 503, *errors)))
    operation["responses"]["404"]["description"] = "No such stream: `stream_not_found`."
    operation["responses"]["503"]["description"] = "The database does not answer: `job_store_unavailable`."
    return operation | {"parameters": [_in_path("id", "The `id` in the stream's events."), *parameters]}


CONVERSATION_ID = _in_path("id", "The conversation's id: the `conversation_id` of a chat completion.")
ITEM_ID = _in_path("item_id", "The item's `id`.")
PAGE = (
    _in_query("limit", {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}, "Most items to return."),
    _in_query("order", {"type": "string", "enum": ["asc", "desc"], "default": "desc"}, "`desc`: the newest first."),
    _in_query("after", STRING, "The id of an item: those that follow it are returned."),
)


def _documentation(name: str, summary: str, media_type: str, schema: Json) -> Json:
    responses = _responses("The documentation.", {media_type: {"schema": schema}}, ())
    return _operation("Operate", name, summary, responses, security=[])


def _page(name: str, summary: str) -> Json:
    return _operation("Operate", name, summary, _responses("HTML.", {"text/html": {"schema": STRING}}, ()), security=[])


PATHS: dict[str, Json] = {
    "/v1/chat/completions": {
        "post": _generate(
            "createChatCompletion",
            "Answer a conversation.",
            "ChatCompletionRequest",
            "ChatCompletion",
            "ChatCompletionChunk",
        )
    },
    "/v1/completions": {
        "post": _generate("createCompletion", "Continue a text.", "CompletionRequest", "Completion", "CompletionChunk")
    },
    "/": {
        "get": _page("getPage", "A web page to chat with the model."),
        "post": _generate("createPlain", "The plain API: answer a prompt.", "PlainRequest", "Plain"),
    },
    "/status": {"get": _page("getStatusPage", "A web page with the status of both tiers.")},
    "/v1/embeddings": {
        "post": _generate(
            "createEmbedding", "Turn texts into vectors with an embedding model.", "EmbeddingRequest", "Embeddings"
        )
    },
    "/tokenize": {
        "post": _tokenization("tokenize", "Turn a text or a chat into token ids.", "TokenizeRequest", "Tokens")
    },
    "/detokenize": {
        "post": _tokenization("detokenize", "Turn token ids into text.", "DetokenizeRequest", "Detokenized")
    },
    "/v1/responses": {
        "post": _from_items(
            _generate(
                "createResponse",
                "Answer in the format of OpenAI's Responses API.",
                "ResponseRequest",
                "Response",
                "ResponseEvent",
            )
        )
    },
    "/v1/responses/input_tokens": {
        "post": _from_items(
            _tokenization("countInput", "Count the tokens of a response's prompt.", "ResponseRequest", "InputTokens")
        ),
    },
    "/v1/responses/{id}": {
        "get": _events(
            _response(
                "getResponse",
                "Get a response: a stored one, or one that is being answered in the background.",
                "Response",
                400,
                parameters=(
                    _in_query("stream", {"type": "boolean", "default": False}, "Send its events instead."),
                    _in_query("starting_after", EVENT_NUMBER, "Leave out the events up to this `sequence_number`."),
                ),
            ),
            "ResponseEvent",
        ),
        "delete": _response(
            "deleteResponse", "Delete a response. One that is not complete is cancelled.", "ResponseDeleted"
        ),
    },
    "/v1/responses/{id}/input_items": {
        "get": _response("getResponseInput", "List the input of a stored response.", "ItemList", 400, parameters=PAGE)
    },
    "/v1/responses/{id}/cancel": {
        "post": _response(
            "cancelResponse", "End a response that is being answered in the background, and get it.", "Response", 400
        ),
    },
    "/v1/streams/{id}": {
        "get": _events(
            _stream(
                "resumeStream",
                "Get the events of a stream that is `resumable`, those that are still to come included.",
                "StreamEvent",
                400,
                parameters=AFTER,
            ),
            "StreamEvent",
        ),
        "delete": _stream("deleteStream", "Delete a stream. One that has not ended is cancelled.", "StreamDeleted"),
    },
    "/v1/messages": {
        "post": _anthropic(
            _generate(
                "createMessage",
                "Answer in the format of Anthropic's Messages API.",
                "MessagesRequest",
                "AnthropicMessage",
                "AnthropicEvent",
            )
        )
    },
    "/v1/messages/count_tokens": {
        "post": _anthropic(
            _tokenization(
                "countMessageTokens", "Count the tokens of a message's prompt.", "CountTokensRequest", "InputTokenCount"
            )
        )
    },
    "/v1/conversations": {
        "post": _conversation(
            "createConversation",
            "Create a conversation. A request with a new `conversation_id` creates one, too.",
            "ConversationChanged",
            "ConversationCreationRequest",
        ),
    },
    "/v1/conversations/{id}": {
        "get": _conversation(
            "getConversation", "Get a conversation with its messages.", "Conversation", parameters=(CONVERSATION_ID,)
        ),
        "post": _conversation(
            "updateConversation",
            "Change a conversation's metadata.",
            "ConversationChanged",
            "ConversationUpdateRequest",
            (CONVERSATION_ID,),
        ),
        "delete": _conversation(
            "deleteConversation", "Delete a conversation.", "ConversationDeleted", parameters=(CONVERSATION_ID,)
        ),
    },
    "/v1/conversations/{id}/items": {
        "get": _conversation(
            "listItems", "List a conversation's items.", "ItemList", parameters=(CONVERSATION_ID, *PAGE)
        ),
        "post": _conversation(
            "createItems",
            "Add items to a conversation.",
            "ItemList",
            "ConversationItemsRequest",
            (CONVERSATION_ID,),
        ),
    },
    "/v1/conversations/{id}/items/{item_id}": {
        "get": _conversation("getItem", "Get an item.", "Item", parameters=(CONVERSATION_ID, ITEM_ID)),
        "delete": _conversation(
            "deleteItem", "Delete an item.", "ConversationChanged", parameters=(CONVERSATION_ID, ITEM_ID)
        ),
    },
    "/v1/models": {"get": _query("Models", "listModels", "List the models that are served.", "ModelList", 401, 503)},
    "/v1/models/{id}": {
        "get": _query("Models", "getModel", "Get one model.", "Model", 401, 404, 503) | _id("The model's name."),
    },
    "/health": {
        "get": _query(
            "Operate", "getHealth", "Is the web tier alive, and in which state is the engine?", "Health", public=True
        )
    },
    "/ready": {"get": _query("Operate", "getReady", "Can the server answer requests now?", "Ready", 503, public=True)},
    "/version": {"get": _query("Operate", "getVersion", "The versions of both tiers.", "Version", 401)},
    "/status.json": {"get": _query("Operate", "getStatus", "The status of both tiers in figures.", "Status", 401)},
    "/metrics": {
        "get": _operation(
            "Operate",
            "getMetrics",
            "The metrics of both tiers, for Prometheus; vLLM's metrics keep their names.",
            _responses("Prometheus's text format.", {"text/plain": {"schema": STRING}}, (401,)),
        )
    },
    "/openapi.json": {
        "get": _documentation("getOpenAPI", "This document.", "application/json", {"type": "object"}),
    },
    "/docs": {"get": _documentation("getDocs", "This document as a web page.", "text/html", STRING)},
}
