"""JSON Schemas of the replies. They are written by hand: `schemas.replies` builds the JSON itself, for speed."""

from typing import Any

Json = dict[str, Any]

STRING: Json = {"type": "string"}
INTEGER: Json = {"type": "integer"}
NUMBER: Json = {"type": "number"}


def ref(name: str) -> Json:
    """Return a reference to the component `name` of the document."""
    return {"$ref": f"#/components/schemas/{name}"}


def object_of(required: Json, optional: Json | None = None, **more: Any) -> Json:
    """Return the schema of an object with these properties; `more` are further keywords of JSON Schema."""
    return {"type": "object", "required": list(required), "properties": required | (optional or {}), **more}


def array(items: Json) -> Json:
    return {"type": "array", "items": items}


def nullable(schema: Json) -> Json:
    return {"anyOf": [schema, {"type": "null"}]}


def _envelope(kind: str, choice: Json) -> Json:
    return {
        "id": STRING,
        "object": {"const": kind},
        "created": {**INTEGER, "description": "Unix seconds."},
        "model": {**STRING, "description": "The loaded model, or its adapter, that answered."},
        "choices": array(choice),
    }


FINISH = {
    "type": ["string", "null"],
    "enum": ["stop", "length", "tool_calls", None],
    "description": "`stop`: an end token or a stop condition; `length`: a token limit; `tool_calls`: the model waits "
    "for the results of its calls; null: the choice is not finished.",
}
STOP_REASON = {
    "type": ["string", "integer"],
    "description": "The stop text or token id that ended the choice, or `repetition`; absent for the end token.",
}
TOKEN = {"token": STRING, "logprob": {"type": ["number", "null"]}, "bytes": array(INTEGER)}
CHAT_LOGPROBS = nullable(
    object_of(
        {
            "content": array(object_of(TOKEN | {"top_logprobs": array(object_of(TOKEN))})),
            "refusal": {"type": "null"},
        }
    )
)
COMPLETION_LOGPROBS = nullable(
    object_of(
        {
            "tokens": array(STRING),
            "token_logprobs": array({"type": ["number", "null"]}),
            "top_logprobs": array(nullable({"type": "object", "additionalProperties": {"type": ["number", "null"]}})),
            "text_offset": array(INTEGER),
        }
    )
)


def _choice(content: Json, logprobs: Json) -> Json:
    return object_of(
        {"index": INTEGER, **content, "logprobs": logprobs, "finish_reason": FINISH},
        {"stop_reason": STOP_REASON, "token_ids": TOKEN_IDS} | PROMPT,
    )


TOKEN_IDS: Json = {**array(INTEGER), "description": "With `return_token_ids`."}
SCORED = object_of({"logprob": NUMBER, "rank": INTEGER, "decoded_token": STRING})
PROMPT: Json = {
    "prompt_token_ids": nullable(TOKEN_IDS),
    "prompt_logprobs": {
        **array(nullable({"type": "object", "additionalProperties": SCORED})),
        "description": "For each token of the prompt: it and its alternatives, by token id; null for the first token.",
    },
}
FUNCTION: Json = {"name": STRING, "arguments": {**STRING, "description": "JSON."}}
CALL = object_of({"id": STRING, "type": {"const": "function"}, "function": object_of(FUNCTION)})
CALL_DELTA = object_of(
    {"index": INTEGER, "function": object_of({}, FUNCTION)}, {"id": STRING, "type": {"const": "function"}}
)
REASONING: Json = {
    "reasoning": {**STRING, "description": "The model's reasoning before the answer."},
    "reasoning_content": {**STRING, "description": "The same under its older name."},
}
MESSAGE = object_of(
    {"role": {"const": "assistant"}, "content": nullable(STRING), "refusal": {"type": "null"}},
    {**REASONING, "tool_calls": array(CALL)},
)
DELTA = object_of(
    {},
    {
        "role": {"const": "assistant"},
        "content": STRING,
        "refusal": {"type": "null"},
        **REASONING,
        "tool_calls": array(CALL_DELTA),
    },
)
COMPLETION_CHOICE = _choice({"text": STRING}, COMPLETION_LOGPROBS)
USAGE = ref("Usage")
MODEL = ref("Model")
WARNING: Json = {
    "warning": {**STRING, "description": "What was done otherwise than the request says, or could not be stored."}
}
FINGERPRINT: Json = {
    "system_fingerprint": {
        **STRING,
        "description": "A digest of the model's files, and vLLM's version. In a stream: in each choice's last chunk.",
    }
}
REPLIES: dict[str, Json] = {
    "ChatCompletion": object_of(
        _envelope("chat.completion", _choice({"message": MESSAGE}, CHAT_LOGPROBS)) | {"usage": USAGE},
        WARNING | PROMPT | FINGERPRINT,
    ),
    "ChatCompletionChunk": object_of(
        _envelope("chat.completion.chunk", _choice({"delta": DELTA}, CHAT_LOGPROBS)),
        {"usage": nullable(USAGE), "prompt_token_ids": TOKEN_IDS} | WARNING | FINGERPRINT,
    ),
    "Completion": object_of(_envelope("text_completion", COMPLETION_CHOICE) | {"usage": USAGE}, FINGERPRINT),
    "CompletionChunk": object_of(
        _envelope("text_completion", COMPLETION_CHOICE), {"usage": nullable(USAGE)} | FINGERPRINT
    ),
    "Usage": object_of(
        {
            "prompt_tokens": INTEGER,
            "completion_tokens": INTEGER,
            "total_tokens": INTEGER,
            "prompt_tokens_details": object_of(
                {"cached_tokens": {**INTEGER, "description": "Prompt tokens that vLLM had in its prefix cache."}}
            ),
            "completion_tokens_details": object_of({"reasoning_tokens": INTEGER}),
        }
    ),
    "Plain": object_of(
        {
            "response": STRING,
            "history": {
                **array({"type": "array", "items": STRING, "minItems": 2, "maxItems": 2}),
                "description": "The request's history, and this turn.",
            },
            "status": {"const": 200},
            "time": {
                **STRING,
                "pattern": r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d$",
                "description": "When the answer was complete, in the server's time zone.",
            },
        }
    ),
    "Embeddings": object_of(
        {
            "id": STRING,
            "object": {"const": "list"},
            "created": INTEGER,
            "model": STRING,
            "data": array(
                object_of(
                    {
                        "object": {"const": "embedding"},
                        "index": INTEGER,
                        "embedding": {"anyOf": [array(NUMBER), STRING]},
                    }
                )
            ),
            "usage": object_of({"prompt_tokens": INTEGER, "total_tokens": INTEGER}),
        }
    ),
    "Tokens": object_of(
        {
            "count": INTEGER,
            "max_model_len": INTEGER,
            "tokens": array(INTEGER),
            "token_strs": nullable(array(STRING)),
        }
    ),
    "Detokenized": object_of({"prompt": STRING}),
    "Model": object_of(
        {
            "id": STRING,
            "object": {"const": "model"},
            "created": INTEGER,
            "owned_by": STRING,
            "root": {**STRING, "description": "The directory or hub name that the model was loaded from."},
            "max_model_len": {**INTEGER, "description": "The context length in tokens."},
        },
        {"parent": {**STRING, "description": "Present for a LoRA adapter: the model that it adapts."}},
    ),
    "ModelList": object_of({"object": {"const": "list"}, "data": array(MODEL)}),
    "Error": object_of(
        {
            "error": object_of(
                {
                    "message": STRING,
                    "type": STRING,
                    "param": {
                        "type": ["string", "null"],
                        "description": "The invalid field, such as `messages[1].content`.",
                    },
                    "code": {"type": ["string", "null"]},
                }
            )
        }
    ),
}
