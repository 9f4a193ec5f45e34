"""The endpoints, what each answers, and with which errors: the part of the OpenAPI document that is no schema."""

from typing import Any

from schemas.openapi.replies import STRING, Json, ref

TAGS = [
    {"name": "Generate", "description": "Turn a prompt into text."},
    {"name": "Responses", "description": "What the server keeps of its responses, unless `store` is false."},
    {"name": "Conversations", "description": "What the server keeps under a `conversation_id`."},
    {"name": "Models", "description": "What is served."},
    {"name": "Operate", "description": "Probes, versions and this documentation."},
]
ERRORS = {
    400: "The request is wrong: `param` names the field. A prompt longer than the context has the code "
    "`context_length_exceeded`.",
    401: "No API key, or a wrong one: `invalid_api_key`.",
    404: "There is no such model (`model_not_found`; on a request that generates, only with `HEARTH_STRICT_MODEL=1`).",
    408: "The body did not arrive in time.",
    413: "The body is larger than `HEARTH_MAX_BODY_BYTES`.",
    415: "The body is not `application/json`.",
    429: "The queue is full; `Retry-After` says when to come again.",
    500: "The server failed.",
    503: "The engine is loading, restarting or gone; `Retry-After` says when to come again.",
}
NO_CONVERSATION = "There is no such conversation: `conversation_not_found`."
RETRY_AFTER: Json = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer"}}}
REQUEST_ID: Json = {
    "X-Request-ID": {
        "description": "Its name in both tiers' logs: the client's own, or the reply's id.",
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
    good = {"description": description, "content": content} | ({"headers": headers} if headers else {})
    return {"200": good} | {str(status): _error(status, ERRORS[status]) for status in errors}


def _operation(tag: str, name: str, summary: str, responses: Json, **more: Any) -> Json:
    return {"tags": [tag], "operationId": name, "summary": summary, "responses": responses, **more}


def _generate(name: str, summary: str, request: str, reply: str, chunk: str | None = None) -> Json:
    description, content = "The whole answer.", _json(reply)
    errors: tuple[int, ...] = BODY_ERRORS
    if chunk is not None:
        description = (
            "The whole answer; with `stream`, server-sent events, each `data: ` and a chunk, then `data: [DONE]`. An "
            "error after the first event is an event itself, and the last."
        )
        content = content | {"text/event-stream": {"schema": ref(chunk)}}
        errors = tuple(sorted((*BODY_ERRORS, 404)))
    body = {"required": True, "content": _json(request)}
    responses = _responses(description, content, errors, REQUEST_ID)
    return _operation("Generate", name, summary, responses, requestBody=body)


def _tokens(name: str, summary: str, request: str, reply: str) -> Json:
    body = {"required": True, "content": _json(request)}
    return _operation("Models", name, summary, _responses("All of them.", _json(reply), BODY_ERRORS), requestBody=body)


def _look(tag: str, name: str, summary: str, reply: str, *errors: int, public: bool = False) -> Json:
    more: Json = {"security": []} if public else {}
    return _operation(tag, name, summary, _responses("As it is now.", _json(reply), errors), **more)


def _conversation(name: str, summary: str, reply: str) -> Json:
    operation = _look("Conversations", name, summary, reply, 400, 401, 404, 500, 503)
    operation["responses"]["400"]["description"] = "The conversation has grown too long: `conversation_too_long`."
    operation["responses"]["404"]["description"] = NO_CONVERSATION
    operation["responses"]["503"]["description"] = "The database does not answer: `conversation_store_unavailable`."
    return operation | _id("The `conversation_id` of the requests.")


def _response(name: str, summary: str, reply: str, *errors: int) -> Json:
    operation = _look("Responses", name, summary, reply, *sorted((401, 404, 500, 503, *errors)))
    operation["responses"]["404"]["description"] = "There is no such response: `response_not_found`."
    operation["responses"]["503"]["description"] = "The database does not answer: `conversation_store_unavailable`."
    return operation | _id("The response's `id`.")


def _id(description: str) -> Json:
    return {
        "parameters": [{"name": "id", "in": "path", "required": True, "schema": STRING, "description": description}]
    }


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
        "post": _generate(
            "createCompletion", "Go on with a text.", "CompletionRequest", "Completion", "CompletionChunk"
        )
    },
    "/": {
        "get": _page("getPage", "A page to talk to the model."),
        "post": _generate("createPlain", "The plain API: answer a prompt.", "PlainRequest", "Plain"),
    },
    "/status": {"get": _page("getStatusPage", "A page that shows how both tiers are.")},
    "/v1/embeddings": {
        "post": _generate(
            "createEmbedding", "Texts to vectors, by an embedding model.", "EmbeddingRequest", "Embeddings"
        )
    },
    "/tokenize": {"post": _tokens("tokenize", "The tokens of a text or a chat.", "TokenizeRequest", "Tokens")},
    "/detokenize": {"post": _tokens("detokenize", "The text of tokens.", "DetokenizeRequest", "Detokenized")},
    "/v1/responses": {
        "post": _generate(
            "createResponse", "Answer, in the Responses API's shape.", "ResponseRequest", "Response", "ResponseEvent"
        )
    },
    "/v1/responses/{id}": {
        "get": _response("getResponse", "A response that was stored.", "Response"),
        "delete": _response("deleteResponse", "Forget it.", "ResponseDeleted"),
    },
    "/v1/responses/{id}/input_items": {"get": _response("getResponseInput", "What it was asked.", "ItemList")},
    "/v1/responses/{id}/cancel": {
        "post": _response("cancelResponse", "A 400: none runs in the background.", "Response", 400),
    },
    "/v1/conversations/{id}": {
        "get": _conversation("getConversation", "What has been said.", "Conversation"),
        "delete": _conversation("deleteConversation", "Forget a conversation.", "ConversationDeleted"),
    },
    "/v1/models": {"get": _look("Models", "listModels", "The names that are served.", "ModelList", 401, 503)},
    "/v1/models/{id}": {
        "get": _look("Models", "getModel", "One of them.", "Model", 401, 404, 503) | _id("A name that is served."),
    },
    "/health": {
        "get": _look("Operate", "getHealth", "Does the web tier live, and how is the engine?", "Health", public=True)
    },
    "/ready": {"get": _look("Operate", "getReady", "Can requests be answered now?", "Ready", 503, public=True)},
    "/version": {"get": _look("Operate", "getVersion", "What runs, on both sides.", "Version", 401)},
    "/status.json": {"get": _look("Operate", "getStatus", "How both tiers are, in figures.", "Status", 401)},
    "/metrics": {
        "get": _operation(
            "Operate",
            "getMetrics",
            "Both tiers' metrics, for Prometheus; vLLM's own under their names.",
            _responses("Prometheus's text format.", {"text/plain": {"schema": STRING}}, (401,)),
        )
    },
    "/openapi.json": {
        "get": _documentation("getOpenAPI", "This document.", "application/json", {"type": "object"}),
    },
    "/docs": {"get": _documentation("getDocs", "This document, to read.", "text/html", STRING)},
}
