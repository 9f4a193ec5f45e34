"""What the replies look like, as JSON Schemas: `schemas.replies.shape` writes them by hand, for speed."""

from typing import Any

Json = dict[str, Any]

STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}


def ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def thing(required: Json, optional: Json | None = None, **more: Any) -> Json:
    """An object with these properties."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {}), **more}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def maybe(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _envelope(kind: str, choice: Json) -> Json:
    return {
        "id": STRING,
        "object": {"const": kind},
        "created": {**INTEGER, "description": "Unix seconds."},
        "model": {**STRING, "description": "The model that is loaded."},
        "choices": array(choice),
    }


FINISH = {
    "type": ["string", "null"],
    "enum": ["stop", "length", "tool_calls", None],
    "description": "`stop`: an end token or a stop; `length`: a limit; `tool_calls`: it waits for their results; null: "
    "there is more to come.",
}
STOP_REASON = {
    "type": ["string", "integer"],
    "description": "The stop text or token id that ended the choice, or `repetition`; absent for the end token.",
}
TOKEN = {"token": STRING, "logprob": {"type": ["number", "null"]}, "bytes": array(INTEGER)}
CHAT_LOGPROBS = maybe(thing({"content": array(thing(TOKEN | {"top_logprobs": array(thing(TOKEN))}))}))
COMPLETION_LOGPROBS = maybe(
    thing(
        {
            "tokens": array(STRING),
            "token_logprobs": array({"type": ["number", "null"]}),
            "top_logprobs": array(maybe({"type": "object", "additionalProperties": {"type": ["number", "null"]}})),
            "text_offset": array(INTEGER),
        }
    )
)


def _choice(content: Json, logprobs: Json) -> Json:
    return thing(
        {"index": INTEGER, **content, "logprobs": logprobs, "finish_reason": FINISH},
        {"stop_reason": STOP_REASON, "token_ids": TOKEN_IDS} | PROMPT,
    )


TOKEN_IDS: Json = {**array(INTEGER), "description": "With `return_token_ids`."}
SCORED = thing({"logprob": NUMBER, "rank": INTEGER, "decoded_token": STRING})
PROMPT: Json = {
    "prompt_token_ids": maybe(TOKEN_IDS),
    "prompt_logprobs": {
        **array(maybe({"type": "object", "additionalProperties": SCORED})),
        "description": "For each token of the prompt but the first: it and its alternatives, by token id.",
    },
}
FUNCTION: Json = {"name": STRING, "arguments": {**STRING, "description": "JSON."}}
CALL = thing({"id": STRING, "type": {"const": "function"}, "function": thing(FUNCTION)})
CALL_DELTA = thing({"index": INTEGER, "function": thing({}, FUNCTION)}, {"id": STRING, "type": {"const": "function"}})
REASONING: Json = {**STRING, "description": "What the model thought before."}
MESSAGE = thing(
    {"role": {"const": "assistant"}, "content": maybe(STRING)}, {"reasoning": REASONING, "tool_calls": array(CALL)}
)
DELTA = thing(
    {},
    {
        "role": {"const": "assistant"},
        "content": STRING,
        "reasoning": REASONING,
        "tool_calls": array(CALL_DELTA),
    },
)
COMPLETION_CHOICE = _choice({"text": STRING}, COMPLETION_LOGPROBS)
USAGE = ref("Usage")
MODEL = ref("Model")
WARNING: Json = {"warning": {**STRING, "description": "The answer is whole, but its conversation could not be stored."}}
FINGERPRINT: Json = {
    "system_fingerprint": {
        **STRING,
        "description": "Of the model's files and vLLM's version; in a stream's last chunks.",
    }
}
RESPONSE = thing(
    {
        "id": STRING,
        "object": {"const": "response"},
        "created_at": INTEGER,
        "status": {"enum": ["completed", "incomplete", "in_progress", "failed"]},
        "error": maybe({"type": "object"}),
        "incomplete_details": maybe({"type": "object"}),
        "model": STRING,
        "output": {
            **array({"type": "object"}),
            "description": "Items: `reasoning`, `message`, `function_call`, in the order in which they were written.",
        },
        "usage": maybe({"type": "object"}),
    },
    WARNING,
    additionalProperties=True,
)

REPLIES: dict[str, Json] = {
    "ChatCompletion": thing(
        _envelope("chat.completion", _choice({"message": MESSAGE}, CHAT_LOGPROBS)) | {"usage": USAGE},
        WARNING | PROMPT | FINGERPRINT,
    ),
    "ChatCompletionChunk": thing(
        _envelope("chat.completion.chunk", _choice({"delta": DELTA}, CHAT_LOGPROBS)),
        {"usage": maybe(USAGE), "prompt_token_ids": TOKEN_IDS} | WARNING | FINGERPRINT,
    ),
    "Completion": thing(_envelope("text_completion", COMPLETION_CHOICE) | {"usage": USAGE}, FINGERPRINT),
    "CompletionChunk": thing(_envelope("text_completion", COMPLETION_CHOICE), {"usage": maybe(USAGE)} | FINGERPRINT),
    "Usage": thing(
        {
            "prompt_tokens": INTEGER,
            "completion_tokens": INTEGER,
            "total_tokens": INTEGER,
            "prompt_tokens_details": thing(
                {"cached_tokens": {**INTEGER, "description": "Of the prompt, that vLLM had computed before."}}
            ),
        }
    ),
    "Plain": thing(
        {
            "response": STRING,
            "history": {
                **array({"type": "array", "items": STRING, "minItems": 2, "maxItems": 2}),
                "description": "The request's, and this turn.",
            },
            "status": {"const": 200},
            "time": {
                **STRING,
                "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
                "description": "When the answer was complete, in the server's time zone.",
            },
        }
    ),
    "Embeddings": thing(
        {
            "id": STRING,
            "object": {"const": "list"},
            "created": INTEGER,
            "model": STRING,
            "data": array(
                thing(
                    {
                        "object": {"const": "embedding"},
                        "index": INTEGER,
                        "embedding": {"anyOf": [array(NUMBER), STRING]},
                    }
                )
            ),
            "usage": thing({"prompt_tokens": INTEGER, "total_tokens": INTEGER}),
        }
    ),
    "Tokens": thing(
        {
            "count": INTEGER,
            "max_model_len": INTEGER,
            "tokens": array(INTEGER),
            "token_strs": maybe(array(STRING)),
        }
    ),
    "Detokenized": thing({"prompt": STRING}),
    "Response": RESPONSE,
    "ResponseEvent": thing({"type": STRING, "sequence_number": INTEGER}, additionalProperties=True),
    "ResponseDeleted": thing({"id": STRING, "object": {"const": "response"}, "deleted": {"const": True}}),
    "ItemList": thing(
        {"object": {"const": "list"}, "data": array({"type": "object"}), "has_more": {"const": False}},
        {"first_id": STRING, "last_id": STRING},
    ),
    "Model": thing(
        {
            "id": STRING,
            "object": {"const": "model"},
            "created": INTEGER,
            "owned_by": STRING,
            "root": {**STRING, "description": "Where it was loaded from."},
            "max_model_len": {**INTEGER, "description": "Tokens of its context."},
        },
        {"parent": {**STRING, "description": "Of an adapter: the model that it changes."}},
    ),
    "ModelList": thing({"object": {"const": "list"}, "data": array(MODEL)}),
    "Conversation": thing(
        {
            "id": STRING,
            "object": {"const": "conversation"},
            "created_at": {**INTEGER, "description": "Unix seconds."},
            "updated_at": INTEGER,
            "messages": {**array(ref("Message")), "description": "All of them, the oldest first."},
        }
    ),
    "ConversationDeleted": thing(
        {"id": STRING, "object": {"const": "conversation.deleted"}, "deleted": {"const": True}}
    ),
    "Error": thing(
        {
            "error": thing(
                {
                    "message": STRING,
                    "type": STRING,
                    "param": {
                        "type": ["string", "null"],
                        "description": "The field that is wrong: `messages[1].content`.",
                    },
                    "code": {"type": ["string", "null"]},
                }
            )
        }
    ),
}
