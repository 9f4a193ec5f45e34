"""The OpenAPI 3.1 document, generated from the marshmallow schemas."""

import copy
from typing import Any

from apispec import APISpec
from apispec.ext.marshmallow import MarshmallowPlugin
from apispec.ext.marshmallow.openapi import OpenAPIConverter
from marshmallow import fields, validate

from schemas.openapi.anthropic import ANTHROPIC
from schemas.openapi.batches import BATCH_PATHS, BATCH_REPLIES
from schemas.openapi.batches import TAGS as BATCH_TAGS
from schemas.openapi.operating import OPERATING
from schemas.openapi.paths import PATHS, TAGS
from schemas.openapi.replies import REPLIES
from schemas.openapi.responses import RESPONSES
from schemas.requests.anthropic.messages import CountTokensSchema, MessagesSchema
from schemas.requests.anthropic.turns import LOADERS, SystemPrompt, Turns
from schemas.requests.batches import BatchSchema
from schemas.requests.chat import MAX_CONVERSATION_ID, ChatCompletionSchema, ConversationId
from schemas.requests.completions import MAX_PROMPTS, CompletionSchema, Prompt
from schemas.requests.conversations import (
    ConversationCreationSchema,
    ConversationItemsSchema,
    ConversationUpdateSchema,
)
from schemas.requests.embeddings import EmbeddingSchema
from schemas.requests.files import FileUploadSchema
from schemas.requests.parts.json_types import Bool, Int, Items, LogitBias, Number, Text, TotalLength
from schemas.requests.parts.messages import MAX_MESSAGES, MAX_PARTS, Content
from schemas.requests.parts.response_items import Input
from schemas.requests.parts.structure import JsonSchema
from schemas.requests.parts.token_ids import MAX_TOKEN_ID, TokenIds
from schemas.requests.parts.tools import CHOICES, Arguments, JsonObject, ToolChoice
from schemas.requests.plain import PlainSchema, Turn
from schemas.requests.response_options import (
    MAX_METADATA,
    MAX_METADATA_KEY,
    MAX_METADATA_VALUE,
    ConversationOf,
    Metadata,
)
from schemas.requests.responses import ResponseSchema
from schemas.requests.tokenization import DetokenizeSchema, TokenizeSchema
from schemas.requests.vllm_fields import TOKEN_ID
from schemas.shared.version import VERSION

DESCRIPTION = (
    "One large language model over an OpenAI-style HTTP API. A field that is null is treated as absent. Unknown fields "
    "are ignored, or refused with `HEARTH_STRICT_FIELDS=1`. What is done otherwise than a request says is said in the "
    "reply's `warning`. Where the server has API keys, every path requires `Authorization: Bearer <key>` or "
    "`x-api-key: <key>`, except `/health`, `/ready`, `/openapi.json`, `/docs` and the pages (`GET /`, `/status`)."
)

STRING = {"type": "string"}
TOKEN_IDS = {"type": "array", "items": {"type": "integer", "minimum": TOKEN_ID.min, "maximum": TOKEN_ID.max}}
TEXT_PART = {
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": STRING},
}
BODIES = (
    ChatCompletionSchema,
    CompletionSchema,
    PlainSchema,
    EmbeddingSchema,
    ResponseSchema,
    MessagesSchema,
    CountTokensSchema,
    ConversationCreationSchema,
    ConversationUpdateSchema,
    ConversationItemsSchema,
    FileUploadSchema,
    BatchSchema,
    TokenizeSchema,
    DetokenizeSchema,
)
BLOCKS = {
    "type": "array",
    "maxItems": MAX_PARTS,
    "items": {"type": "object", "required": ["type"], "properties": {"type": STRING}},
}
NAMED_TOOL = {
    "type": "object",
    "required": ["type", "function"],
    "properties": {
        "type": {"const": "function"},
        "function": {"type": "object", "required": ["name"], "properties": {"name": STRING}},
    },
}
FLAT_TOOL = {
    "type": "object",
    "required": ["type", "name"],
    "properties": {"type": {"const": "function"}, "name": STRING},
}
ALLOWED_TOOLS = {
    "type": "object",
    "required": ["type", "mode", "tools"],
    "properties": {
        "type": {"const": "allowed_tools"},
        "mode": {**STRING, "enum": ["auto", "required"]},
        "tools": {"type": "array", "items": {"anyOf": [NAMED_TOOL, FLAT_TOOL]}},
    },
}
TYPES: dict[type[fields.Field[Any]], str] = {Int: "integer", Number: "number", Bool: "boolean", Text: "string"}
SHAPES: dict[type[fields.Field[Any]], dict[str, Any]] = {
    Arguments: STRING,
    Content: {"anyOf": [STRING, {"type": "array", "minItems": 1, "items": TEXT_PART}]},
    ConversationId: {"anyOf": [{"type": "integer"}, {**STRING, "minLength": 1, "maxLength": MAX_CONVERSATION_ID}]},
    ConversationOf: {
        "anyOf": [
            {**STRING, "minLength": 1, "maxLength": MAX_CONVERSATION_ID},
            {"type": "object", "required": ["id"], "properties": {"id": STRING}},
        ]
    },
    Input: {"anyOf": [STRING, {"type": "array", "maxItems": MAX_MESSAGES, "items": {"type": "object"}}]},
    JsonObject: {"type": "object"},
    Metadata: {
        "type": "object",
        "maxProperties": MAX_METADATA,
        "propertyNames": {"maxLength": MAX_METADATA_KEY},
        "additionalProperties": {"type": ["string", "number", "boolean", "null"], "maxLength": MAX_METADATA_VALUE},
    },
    TokenIds: {
        "type": "array",
        "minItems": 1,
        "items": {"type": "integer", "minimum": 0, "maximum": MAX_TOKEN_ID},
    },
    JsonSchema: {"anyOf": [{"type": "object"}, STRING]},
    LogitBias: {
        "type": "object",
        "propertyNames": {"minLength": 1},
        "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
    },
    Prompt: {
        "anyOf": [
            STRING,
            {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": STRING},
            {**TOKEN_IDS, "minItems": 1},
            {"type": "array", "minItems": 1, "maxItems": MAX_PROMPTS, "items": {**TOKEN_IDS, "minItems": 1}},
        ]
    },
    SystemPrompt: {"anyOf": [STRING, BLOCKS]},
    ToolChoice: {"anyOf": [{**STRING, "enum": list(CHOICES)}, NAMED_TOOL, FLAT_TOOL, ALLOWED_TOOLS]},
    Turns: {
        "type": "array",
        "minItems": 1,
        "maxItems": MAX_MESSAGES,
        "items": {
            "type": "object",
            "required": ["role", "content"],
            "properties": {"role": {**STRING, "enum": list(LOADERS)}, "content": {"anyOf": [STRING, BLOCKS]}},
        },
    },
    Turn: {"type": "array", "minItems": 2, "maxItems": 2, "items": STRING},
}
"""The JSON Schemas of field classes that one JSON type does not describe."""


def document() -> dict[str, Any]:
    """Return the whole OpenAPI document as JSON values."""
    plugin = MarshmallowPlugin(schema_name_resolver=_component_name)
    spec = APISpec(
        title="Hearth",
        version=VERSION,
        openapi_version="3.1.0",
        plugins=[plugin],
        info={"description": DESCRIPTION, "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"}},
        servers=[{"url": "/"}],
        security=[{"key": []}, {"anthropic": []}, {}],
        tags=[*TAGS, *BATCH_TAGS],
    )
    converter = plugin.converter
    assert converter is not None
    for field, type_ in TYPES.items():
        converter.map_to_openapi_type(field, type_, None)  # type: ignore[no-untyped-call]
    converter.add_attribute_function(_describe)  # type: ignore[no-untyped-call]
    spec.components.security_scheme("key", {"type": "http", "scheme": "bearer"})
    spec.components.security_scheme("anthropic", {"type": "apiKey", "in": "header", "name": "x-api-key"})
    for schema in BODIES:
        spec.components.schema(_component_name(schema), schema=schema)
    for name, component in (REPLIES | RESPONSES | ANTHROPIC | BATCH_REPLIES | OPERATING).items():
        spec.components.schema(name, component)
    for path, operations in (PATHS | BATCH_PATHS).items():
        spec.path(path=path, operations=copy.deepcopy(operations))
    whole: dict[str, Any] = _plain(spec.to_dict())
    return whole


def _component_name(schema: Any) -> str:
    """Return the component's name: `ChatCompletionRequest` for a body, `Message` for a schema inside one."""
    cls = schema if isinstance(schema, type) else type(schema)
    name: str = cls.__name__.removesuffix("Schema")
    return f"{name}Request" if cls in BODIES else name


def _describe(converter: OpenAPIConverter, field: fields.Field[Any], ret: dict[str, Any]) -> dict[str, Any]:
    """Complete `ret`, the JSON Schema that apispec made of `field`, with what it does not know of our field classes."""
    shape = SHAPES.get(type(field))
    if shape is not None:
        ret.update(shape)
    if isinstance(field, LogitBias):
        ret["maxProperties"] = ret.pop("maxLength")
    for validator in field.validators:
        if isinstance(validator, validate.Range) and not validator.min_inclusive:
            ret["exclusiveMinimum"] = ret.pop("minimum")
        if isinstance(validator, TotalLength):
            ret["x-total-characters"] = validator.max
    if isinstance(field, Items) and field.scalar:
        array = {name: ret.pop(name) for name in ("items", "minItems", "maxItems") if name in ret}
        ret.pop("type")
        ret["anyOf"] = [array["items"], {"type": "array", **array}]
    if field.allow_none:
        if "anyOf" in ret:
            ret["anyOf"] = [*(kind for kind in ret["anyOf"] if kind != {"type": "null"}), {"type": "null"}]
        elif "type" in ret and "null" not in ret["type"]:
            ret["type"] = [ret["type"], "null"]
    return {}


def _plain(value: Any) -> Any:
    """Return `value` with apispec's ordered dictionaries and sequences as plain dicts and lists."""
    if isinstance(value, dict):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(inner) for inner in value]
    return value
