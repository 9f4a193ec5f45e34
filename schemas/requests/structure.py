"""What the text of an answer must be: OpenAI's `response_format`, and vLLM's `structured_outputs`."""

from typing import Any

import msgspec
from marshmallow import EXCLUDE, Schema, ValidationError, fields, validate, validates_schema

from schemas import wire
from schemas.requests.json_types import Bool, Items, Text, optional

MAX_BYTES = 128 * 1024
"""Of a schema, a grammar, ...: the engine compiles it before the first token."""
MAX_CHOICES = 1024
FORMATS = ("text", "json_object", "json_schema")
KINDS = ("json", "json_object", "regex", "choice", "grammar")

_BRIEF = validate.Length(1, MAX_BYTES, error=f"Expected 1 to {MAX_BYTES} characters.")


class JsonSchema(fields.Field[dict[str, Any]]):
    """A JSON Schema: an object, or one written as a string."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            raw = value if isinstance(value, str) else msgspec.json.encode(value)
            if len(raw) > MAX_BYTES:
                raise ValidationError(f"The schema has {len(raw)} bytes, and at most {MAX_BYTES} are taken.")
            schema = msgspec.json.decode(raw)
        except (msgspec.DecodeError, RecursionError) as error:
            raise ValidationError(f"Expected a JSON Schema: {error}") from None
        if not isinstance(schema, dict):
            raise ValidationError("Expected a JSON Schema, which is an object.")
        return schema


class NamedSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    name = Text(metadata={"description": "For OpenAI's clients; it does nothing."})
    schema = JsonSchema(metadata={"description": "A JSON Schema."})
    strict = Bool(allow_none=True, metadata={"description": "The schema is held to in any case."})


class ResponseFormatSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    type = Text(
        required=True,
        validate=validate.OneOf(FORMATS, error=f"Expected one of {', '.join(FORMATS)}."),
        metadata={"description": "`text` asks for nothing."},
    )
    json_schema = fields.Nested(NamedSchema, metadata={"description": "With `json_schema`: which."})

    @validates_schema
    def _need_schema(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("type") == "json_schema" and "schema" not in data.get("json_schema", {}):
            raise ValidationError({"json_schema": {"schema": ["Expected a JSON Schema."]}})


class StructuredOutputsSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    json = optional(JsonSchema, None, "A JSON Schema.", otherwise="none")
    json_object = optional(Bool, False, "Any JSON object.")
    regex = optional(Text, None, "A regular expression of the whole text.", otherwise="none", validate=_BRIEF)
    choice = optional(
        Items,
        None,
        "One of these texts.",
        Text(validate=_BRIEF),
        otherwise="none",
        validate=validate.Length(1, MAX_CHOICES),
    )
    grammar = optional(Text, None, "A grammar, in EBNF or in Lark's notation.", otherwise="none", validate=_BRIEF)

    @validates_schema
    def _need_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(_kinds(data)) != 1:
            raise ValidationError(f"Expected exactly one of {', '.join(KINDS)}.")


def structure_of(outputs: dict[str, Any] | None, format_: dict[str, Any] | None) -> wire.Structure | None:
    """Of a loaded `structured_outputs` and `response_format`: at most one of them asks for something."""
    if outputs is not None:
        (kind,) = _kinds(outputs)
        return wire.Structure(**{kind: outputs[kind]}, field=f"structured_outputs.{kind}")
    match format_ and format_["type"]:
        case "json_schema":
            assert format_ is not None
            return wire.Structure(json=format_["json_schema"]["schema"], field="response_format.json_schema.schema")
        case "json_object":
            return wire.Structure(json_object=True, field="response_format")
    return None


def _kinds(outputs: dict[str, Any]) -> list[str]:
    return [kind for kind in KINDS if outputs[kind] not in (None, False)]
