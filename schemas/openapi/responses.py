"""JSON Schemas of the replies of the Responses API and of stored conversations."""

from schemas.openapi.replies import INTEGER, NUMBER, STRING, WARNING, Json, array, nullable, object_of, ref

OBJECT: Json = {"type": "object"}
STATUS: Json = {"enum": ["completed", "incomplete", "in_progress"]}
NO_OR_TEXT = nullable(STRING)
NO_OR_COUNT = nullable(INTEGER)
ITEM = object_of(
    {
        "id": STRING,
        "type": {**STRING, "description": "`message`, `function_call`, `function_call_output` or `reasoning`."},
    },
    {
        "status": STATUS,
        "role": STRING,
        "content": {**array(OBJECT), "description": "Parts of types such as `input_text` and `output_text`."},
        "summary": array(OBJECT),
        "call_id": STRING,
        "name": STRING,
        "arguments": STRING,
        "output": {"anyOf": [STRING, array(OBJECT)]},
    },
)
TOOL = object_of(
    {
        "type": STRING,
        "name": STRING,
        "description": NO_OR_TEXT,
        "parameters": nullable(OBJECT),
        "strict": {"type": "boolean"},
    }
)
USAGE = object_of(
    {
        "input_tokens": INTEGER,
        "input_tokens_details": object_of({"cached_tokens": INTEGER, "cache_write_tokens": INTEGER}),
        "output_tokens": INTEGER,
        "output_tokens_details": object_of({"reasoning_tokens": INTEGER}),
        "total_tokens": INTEGER,
    }
)
RESPONSE = object_of(
    {
        "id": STRING,
        "object": {"const": "response"},
        "created_at": INTEGER,
        "completed_at": {**NO_OR_COUNT, "description": "Null unless the status is `completed`."},
        "status": {"enum": ["completed", "incomplete", "in_progress", "failed", "queued", "cancelled"]},
        "error": nullable(object_of({"code": STRING, "message": STRING, "type": STRING, "param": NO_OR_TEXT})),
        "incomplete_details": nullable(object_of({"reason": {"const": "max_output_tokens"}})),
        "model": STRING,
        "output": {**array(ref("Item")), "description": "Reasoning, messages and function calls, as generated."},
        "usage": nullable(USAGE),
        "conversation": nullable(object_of({"id": STRING})),
        "background": {"type": "boolean"},
        "frequency_penalty": NUMBER,
        "instructions": NO_OR_TEXT,
        "max_output_tokens": NO_OR_COUNT,
        "max_tool_calls": NO_OR_COUNT,
        "metadata": OBJECT,
        "parallel_tool_calls": {"type": "boolean"},
        "presence_penalty": NUMBER,
        "previous_response_id": NO_OR_TEXT,
        "prompt_cache_key": NO_OR_TEXT,
        "reasoning": object_of({"effort": NO_OR_TEXT, "summary": NO_OR_TEXT}),
        "safety_identifier": NO_OR_TEXT,
        "service_tier": {"const": "default"},
        "store": {"type": "boolean"},
        "temperature": NUMBER,
        "text": object_of({"format": object_of({"type": STRING}), "verbosity": STRING}),
        "tool_choice": {"anyOf": [STRING, OBJECT]},
        "tools": array(TOOL),
        "top_logprobs": INTEGER,
        "top_p": NUMBER,
        "truncation": {"enum": ["auto", "disabled"]},
        "user": NO_OR_TEXT,
    },
    WARNING,
)
CONVERSATION: Json = {
    "id": STRING,
    "object": {"const": "conversation"},
    "created_at": {**INTEGER, "description": "Unix seconds."},
    "metadata": {"type": "object", "additionalProperties": STRING},
}

RESPONSES: dict[str, Json] = {
    "Item": ITEM,
    "Response": RESPONSE,
    "ResponseEvent": object_of({"type": STRING, "sequence_number": INTEGER}, additionalProperties=True),
    "StreamEvent": {
        **OBJECT,
        "description": "A chunk or an event of the endpoint that made the stream, with its number as the event's `id`.",
    },
    "StreamDeleted": object_of({"id": STRING, "object": {"const": "stream"}, "deleted": {"const": True}}),
    "ResponseDeleted": object_of({"id": STRING, "object": {"const": "response"}, "deleted": {"const": True}}),
    "InputTokens": object_of({"object": {"const": "response.input_tokens"}, "input_tokens": INTEGER}),
    "ItemList": object_of(
        {
            "object": {"const": "list"},
            "data": array(ref("Item")),
            "has_more": {"type": "boolean"},
            "first_id": {**STRING, "description": "Empty where there are no items."},
            "last_id": STRING,
        }
    ),
    "Conversation": object_of(
        CONVERSATION
        | {
            "updated_at": INTEGER,
            "messages": {**array(ref("Message")), "description": "All messages, the oldest first."},
        }
    ),
    "ConversationChanged": object_of(CONVERSATION),
    "ConversationDeleted": object_of(
        {"id": STRING, "object": {"const": "conversation.deleted"}, "deleted": {"const": True}}
    ),
}
