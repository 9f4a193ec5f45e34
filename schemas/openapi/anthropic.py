"""JSON Schemas of the replies of Anthropic's API."""

from schemas.openapi.replies import INTEGER, STRING, WARNING, Json, array, nullable, object_of
from schemas.replies.anthropic.error import TYPES

NOTHING: Json = {"type": "null"}
USAGE = object_of(
    {
        "input_tokens": {**INTEGER, "description": "Prompt tokens that were not cached."},
        "cache_creation_input_tokens": INTEGER,
        "cache_read_input_tokens": {**INTEGER, "description": "Prompt tokens that vLLM had in its prefix cache."},
        "output_tokens": INTEGER,
        "output_tokens_details": object_of({"thinking_tokens": INTEGER}),
    },
    {
        "cache_creation": NOTHING,
        "inference_geo": NOTHING,
        "server_tool_use": NOTHING,
        "service_tier": {"const": "standard"},
    },
)
BLOCK = object_of(
    {"type": {"enum": ["text", "thinking", "tool_use"]}},
    {
        "text": STRING,
        "citations": NOTHING,
        "thinking": STRING,
        "signature": {**STRING, "description": "Always `unsigned`."},
        "id": STRING,
        "name": STRING,
        "input": {"type": "object"},
        "caller": {"type": "object"},
    },
)
ANTHROPIC: dict[str, Json] = {
    "AnthropicMessage": object_of(
        {
            "id": STRING,
            "type": {"const": "message"},
            "role": {"const": "assistant"},
            "model": {**STRING, "description": "The loaded model, or its adapter, that answered."},
            "content": array(BLOCK),
            "container": NOTHING,
            "stop_details": NOTHING,
            "stop_reason": {
                "type": ["string", "null"],
                "enum": ["end_turn", "max_tokens", "stop_sequence", "tool_use", None],
                "description": "null: the message is not finished.",
            },
            "stop_sequence": nullable(STRING),
            "usage": USAGE,
        },
        WARNING,
    ),
    "AnthropicEvent": object_of(
        {
            "type": {
                "enum": [
                    "message_start",
                    "content_block_start",
                    "content_block_delta",
                    "content_block_stop",
                    "message_delta",
                    "message_stop",
                    "ping",
                    "error",
                ]
            }
        },
        additionalProperties=True,
    ),
    "InputTokenCount": object_of({"input_tokens": INTEGER}),
    "AnthropicError": object_of(
        {
            "type": {"const": "error"},
            "error": object_of(
                {
                    "type": {"enum": sorted({"invalid_request_error", "api_error", *TYPES.values()})},
                    "message": STRING,
                }
            ),
            "request_id": STRING,
        }
    ),
}
