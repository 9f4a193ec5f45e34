"""What the text of an answer must match: OpenAI's `response_format` and vLLM's `structured_outputs`."""

from typing import Any

import msgspec
from marshmallow import EXCLUDE, ValidationError, fields, pre_load, validate, validates_schema

from schemas import wire
from schemas.requests.parts.arguments import is_deep
from schemas.requests.parts.json_types import Bool, Items, Part, Text, TotalLength, optional
from schemas.requests.parts.tools import WithoutNulls
from schemas.shared import client_json, limits

MAX_BYTES = 128 * 1024
"""Most bytes of a schema, a grammar and so on, which the engine compiles before the first token."""
MAX_DEPTH = 256
"""Levels of a JSON Schema: what Python can copy, encode and show wherever a request is worked on."""
MAX_CHOICES = 1024
FORMATS = ("text", "json_object", "json_schema")
KINDS = ("json", "json_object", "regex", "choice", "grammar")

KEYWORDS = {"type", "properties", "$ref", "$defs", "anyOf", "oneOf", "allOf", "enum", "const"}
"""Members that a JSON Schema has, and OpenAI's `json_schema`, which holds one, has not."""

SCHEMA_LIMITS = (
    f"What takes long to compile is limited: {limits.MAX_SCHEMA_OBJECTS} objects in the schema, {limits.MAX_OPTIONAL} "
    f"optional properties in an object, {limits.MAX_COUNTED} beside `minProperties` or "
    f"`maxProperties`, {limits.MAX_OPEN} properties beside `additionalProperties` or `unevaluatedProperties`, "
    f"{limits.MAX_FORMATS} strings with a `format`, "
    f"{limits.MAX_LENGTHS} characters in different bounds of lengths, of which each counts up to 256, "
    f"{limits.MAX_CLASSES} classes of characters (each counts {limits.COUNTED_CLASSES}) and {limits.MAX_QUANTIFIERS} "
    "quantifiers in patterns."
)
"""For the reference: `engine_proc/adapter/grammars/costs.py` checks it."""

_LENGTH = validate.Length(1, MAX_BYTES, error=f"Expected 1 to {MAX_BYTES} characters.")


class JsonSchema(fields.Field[dict[str, Any]]):
    """A JSON Schema: an object, or an object written as a string; loaded as the object."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, Any]:
        try:
            raw = value if isinstance(value, str) else msgspec.json.encode(value)
            if len(raw) > MAX_BYTES:
                raise ValidationError(f"The schema has {len(raw)} bytes, but at most {MAX_BYTES} are allowed.")
            schema = client_json.decode(raw)
            msgspec.msgpack.encode(schema)  # as the wire does, which has no integers of more than 64 bits
        except (msgspec.DecodeError, UnicodeError, RecursionError, OverflowError) as error:
            raise ValidationError(f"Expected a JSON Schema: {error}") from None
        if is_deep(schema, MAX_DEPTH):
            raise ValidationError(f"Expected a JSON Schema of at most {MAX_DEPTH} levels.")
        if not isinstance(schema, dict):
            raise ValidationError("Expected a JSON Schema, which is an object.")
        return schema


class NamedSchema(WithoutNulls):
    """OpenAI's `json_schema`."""

    name = Text(metadata={"description": "Accepted for OpenAI's clients; no effect."})
    schema = JsonSchema(metadata={"description": f"A JSON Schema. {SCHEMA_LIMITS}"})
    strict = Bool(allow_none=True, metadata={"description": "No effect: the answer always matches the schema."})


class ResponseFormatSchema(WithoutNulls):
    """OpenAI's `response_format`. Other servers have the schema beside `type`, or as `json_schema` itself."""

    type = Text(
        required=True,
        validate=validate.OneOf(FORMATS, error=f"Expected one of {', '.join(FORMATS)}."),
        metadata={"description": "`text`: any text."},
    )
    json_schema = fields.Nested(NamedSchema, metadata={"description": "With `json_schema`: the schema."})
    schema = JsonSchema(
        metadata={"description": "llama.cpp's place for the schema, with `json_object` or `json_schema`."}
    )

    @pre_load
    def _unwrap(self, data: Any, **kwargs: Any) -> Any:
        """Take a `json_schema` that is the schema itself, without a name and `schema`, for what it is."""
        given = data.get("json_schema") if isinstance(data, dict) else None
        if isinstance(given, dict) and given.get("schema") is None and not KEYWORDS.isdisjoint(given):
            return {**data, "json_schema": {"schema": given}}
        return data

    @validates_schema
    def _need_schema(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("type") == "json_schema" and _schema_of(data) is None:
            raise ValidationError({"json_schema": {"schema": ["Expected a JSON Schema."]}})


class StructuredOutputsSchema(Part):
    """vLLM's `structured_outputs`: exactly one of its fields is set."""

    class Meta:
        unknown = EXCLUDE

    json = optional(JsonSchema, None, f"A JSON Schema. {SCHEMA_LIMITS}", otherwise="none")
    json_object = optional(Bool, False, "Any JSON object.")
    regex = optional(
        Text,
        None,
        f"A regular expression for the whole text, of at most {limits.MAX_CLASSES} classes of characters "
        f"(each counts {limits.COUNTED_CLASSES}) and {limits.MAX_QUANTIFIERS} quantifiers.",
        otherwise="none",
        validate=_LENGTH,
    )
    choice = optional(
        Items,
        None,
        "One of these texts.",
        Text(validate=_LENGTH),
        otherwise="none",
        validate=[validate.Length(1, MAX_CHOICES), TotalLength(MAX_BYTES)],
    )
    grammar = optional(
        Text,
        None,
        f"A grammar, in EBNF or in Lark's notation, of at most {limits.MAX_CLASSES} classes of characters (each counts "
        f"{limits.COUNTED_CLASSES}; a group or a rule that `{{n,m}}` repeats counts as all that is in it and in the "
        f"rules that it names, or as `.`) and {limits.MAX_QUANTIFIERS} quantifiers.",
        otherwise="none",
        validate=_LENGTH,
    )

    @validates_schema
    def _need_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if len(_kinds(data)) != 1:
            raise ValidationError(f"Expected exactly one of {', '.join(KINDS)}.")


def structure_of(outputs: dict[str, Any] | None, format_: dict[str, Any] | None) -> wire.Structure | None:
    """Return the structure that a request requires, or None where any text is allowed.

    `outputs` is a loaded `structured_outputs`, `format_` a loaded `response_format`; at most one requires a structure.
    """
    if outputs is not None:
        (kind,) = _kinds(outputs)
        return wire.Structure(**{kind: outputs[kind]}, field=f"structured_outputs.{kind}")
    if format_ is None or format_["type"] == "text":
        return None
    found = _schema_of(format_)
    if found is None:
        return wire.Structure(json_object=True, field="response_format")
    place, schema = found
    return wire.Structure(json=schema, field=f"response_format.{place}")


def _schema_of(format_: dict[str, Any]) -> tuple[str, dict[str, Any]] | None:
    """Return the place of the schema in a loaded `response_format`, and the schema. None: there is none."""
    named = format_.get("json_schema", {})
    if "schema" in named:
        return "json_schema.schema", named["schema"]
    return ("schema", format_["schema"]) if "schema" in format_ else None


def _kinds(outputs: dict[str, Any]) -> list[str]:
    return [kind for kind in KINDS if outputs[kind] not in (None, False)]
