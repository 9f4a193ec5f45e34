"""The endpoints: the part of the OpenAPI document that is not a schema."""

from schemas.openapi.operations import (
    AFTER,
    CONVERSATION_ID,
    EVENT_NUMBER,
    ITEM_ID,
    PAGE,
    administer,
    answers,
    anthropic,
    by_id,
    conversation,
    described,
    documentation,
    events,
    from_items,
    generate,
    in_query,
    page,
    query,
    response,
    stream,
    tokenization,
)
from schemas.openapi.replies import STRING, Json

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
PATHS: dict[str, Json] = {
    "/v1/chat/completions": {
        "post": generate(
            "createChatCompletion",
            "Answer a conversation.",
            "ChatCompletionRequest",
            "ChatCompletion",
            "ChatCompletionChunk",
        )
    },
    "/v1/completions": {
        "post": generate("createCompletion", "Continue a text.", "CompletionRequest", "Completion", "CompletionChunk")
    },
    "/": {
        "get": page("getPage", "A web page to chat with the model."),
        "post": generate("createPlain", "The plain API: answer a prompt.", "PlainRequest", "Plain"),
    },
    "/status": {"get": page("getStatusPage", "A web page with the status of both tiers.")},
    "/v1/embeddings": {
        "post": generate(
            "createEmbedding", "Turn texts into vectors with an embedding model.", "EmbeddingRequest", "Embeddings"
        )
    },
    "/tokenize": {
        "post": tokenization("tokenize", "Turn a text or a chat into token ids.", "TokenizeRequest", "Tokens")
    },
    "/detokenize": {
        "post": tokenization("detokenize", "Turn token ids into text.", "DetokenizeRequest", "Detokenized")
    },
    "/v1/responses": {
        "post": from_items(
            generate(
                "createResponse",
                "Answer in the format of OpenAI's Responses API.",
                "ResponseRequest",
                "Response",
                "ResponseEvent",
            )
        )
    },
    "/v1/responses/input_tokens": {
        "post": from_items(
            tokenization("countInput", "Count the tokens of a response's prompt.", "ResponseRequest", "InputTokens")
        ),
    },
    "/v1/responses/{id}": {
        "get": events(
            response(
                "getResponse",
                "Get a response: a stored one, or one that is being answered in the background.",
                "Response",
                400,
                parameters=(
                    in_query("stream", {"type": "boolean", "default": False}, "Send its events instead."),
                    in_query("starting_after", EVENT_NUMBER, "Leave out the events up to this `sequence_number`."),
                ),
            ),
            "ResponseEvent",
        ),
        "delete": response(
            "deleteResponse", "Delete a response. One that is not complete is cancelled.", "ResponseDeleted"
        ),
    },
    "/v1/responses/{id}/input_items": {
        "get": response("getResponseInput", "List the input of a stored response.", "ItemList", 400, parameters=PAGE)
    },
    "/v1/responses/{id}/cancel": {
        "post": response(
            "cancelResponse", "End a response that is being answered in the background, and get it.", "Response", 400
        ),
    },
    "/v1/streams/{id}": {
        "get": events(
            stream(
                "resumeStream",
                "Get the events of a stream that is `resumable`, those that are still to come included.",
                "StreamEvent",
                400,
                parameters=AFTER,
            ),
            "StreamEvent",
        ),
        "delete": stream("deleteStream", "Delete a stream. One that has not ended is cancelled.", "StreamDeleted"),
    },
    "/v1/messages": {
        "post": anthropic(
            generate(
                "createMessage",
                "Answer in the format of Anthropic's Messages API.",
                "MessagesRequest",
                "AnthropicMessage",
                "AnthropicEvent",
            )
        )
    },
    "/v1/messages/count_tokens": {
        "post": anthropic(
            tokenization(
                "countMessageTokens", "Count the tokens of a message's prompt.", "CountTokensRequest", "InputTokenCount"
            )
        )
    },
    "/v1/conversations": {
        "post": conversation(
            "createConversation",
            "Create a conversation. A request with a new `conversation_id` creates one, too.",
            "ConversationChanged",
            "ConversationCreationRequest",
        ),
    },
    "/v1/conversations/{id}": {
        "get": conversation(
            "getConversation", "Get a conversation with its messages.", "Conversation", parameters=(CONVERSATION_ID,)
        ),
        "post": conversation(
            "updateConversation",
            "Change a conversation's metadata.",
            "ConversationChanged",
            "ConversationUpdateRequest",
            (CONVERSATION_ID,),
        ),
        "delete": conversation(
            "deleteConversation", "Delete a conversation.", "ConversationDeleted", parameters=(CONVERSATION_ID,)
        ),
    },
    "/v1/conversations/{id}/items": {
        "get": conversation(
            "listItems", "List a conversation's items.", "ItemList", parameters=(CONVERSATION_ID, *PAGE)
        ),
        "post": conversation(
            "createItems",
            "Add items to a conversation.",
            "ItemList",
            "ConversationItemsRequest",
            (CONVERSATION_ID,),
        ),
    },
    "/v1/conversations/{id}/items/{item_id}": {
        "get": conversation("getItem", "Get an item.", "Item", parameters=(CONVERSATION_ID, ITEM_ID)),
        "delete": conversation(
            "deleteItem", "Delete an item.", "ConversationChanged", parameters=(CONVERSATION_ID, ITEM_ID)
        ),
    },
    "/v1/models": {"get": query("Models", "listModels", "List the models that are served.", "ModelList", 401, 503)},
    "/v1/models/{id}": {
        "get": query("Models", "getModel", "Get one model.", "Model", 401, 404, 503) | by_id("The model's name."),
    },
    "/health": {
        "get": query(
            "Operate", "getHealth", "Is the web tier alive, and in which state is the engine?", "Health", public=True
        )
    },
    "/ready": {"get": query("Operate", "getReady", "Can the server answer requests now?", "Ready", 503, public=True)},
    "/version": {"get": query("Operate", "getVersion", "The versions of both tiers.", "Version", 401)},
    "/status.json": {"get": query("Operate", "getStatus", "The status of both tiers in figures.", "Status", 401)},
    "/admin/requests": {
        "get": administer("listRequests", "List the requests of all web workers, the oldest 200.", "RequestList"),
    },
    "/admin/requests/{id}": {
        "delete": administer("endRequest", "End a request: its client gets an error.", "RequestEnded", 404)
        | by_id("The `id` of the request's reply."),
    },
    "/admin/jobs": {
        "get": administer(
            "listJobs",
            "List the responses in the background that have not ended, of all keys: first those in progress, each the "
            "oldest first, 100 at most.",
            "JobList",
            what="job",
        ),
    },
    "/admin/jobs/{id}": {
        "delete": administer("endJob", "Cancel a response in the background, of any key.", "JobEnded", 404, what="job")
        | by_id("The `id` of the response."),
    },
    "/metrics": {
        "get": described(
            "Operate",
            "getMetrics",
            "The metrics of both tiers, for Prometheus; vLLM's metrics keep their names.",
            answers("Prometheus's text format.", {"text/plain": {"schema": STRING}}, (401,)),
        )
    },
    "/openapi.json": {
        "get": documentation("getOpenAPI", "This document.", "application/json", {"type": "object"}),
    },
    "/docs": {"get": documentation("getDocs", "This document as a web page.", "text/html", STRING)},
}
