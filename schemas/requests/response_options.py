"""The smaller objects in a request of the Responses API: `text`, `reasoning`, `metadata`, `conversation`."""

from typing import Any

import msgspec
from marshmallow import EXCLUDE, ValidationError, fields, validate, validates_schema

from schemas.requests.chat import ConversationId, Effort, KnownEffort
from schemas.requests.parts.json_types import Part, Text, optional
from schemas.requests.parts.structure import FORMATS, NamedSchema

MAX_METADATA = 16
MAX_METADATA_KEY, MAX_METADATA_VALUE = 64, 512
VERBOSITIES = ("low", "medium", "high")
SUMMARIES = ("auto", "concise", "detailed")


class Metadata(fields.Field[dict[str, str]]):
    """OpenAI's `metadata`: an object of texts. Numbers and booleans are taken as the texts that JSON has for them, and
    what is null is left out.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            raise ValidationError("Expected an object.")
        if len(value) > MAX_METADATA:
            raise ValidationError(f"Expected at most {MAX_METADATA} keys.")
        return {self._key(key): self._text(key, inner) for key, inner in value.items() if inner is not None}

    @staticmethod
    def _key(key: str) -> str:
        if len(key) > MAX_METADATA_KEY:
            raise ValidationError(f"Expected keys of at most {MAX_METADATA_KEY} characters.")
        return key

    @staticmethod
    def _text(key: str, value: Any) -> str:
        if isinstance(value, bool | float) or (isinstance(value, int) and value.bit_length() < 64):
            value = msgspec.json.encode(value).decode()
        if not isinstance(value, str) or len(value) > MAX_METADATA_VALUE:
            raise ValidationError({key: [f"Expected a string of at most {MAX_METADATA_VALUE} characters."]})
        return value


class TextFormatSchema(NamedSchema):
    """What the text must match, in the format of the Responses API."""

    type = Text(
        required=True,
        validate=validate.OneOf(FORMATS, error=f"Expected one of {', '.join(FORMATS)}."),
        metadata={"description": "`text`: any text."},
    )
    description = Text(allow_none=True, metadata={"description": "Returned with the response; no other effect."})

    @validates_schema
    def _need_schema(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("type") == "json_schema" and data.get("schema") is None:
            raise ValidationError("Expected a JSON Schema.", "schema")


class TextOptionsSchema(Part):
    """The request's `text`."""

    class Meta:
        unknown = EXCLUDE

    format = fields.Nested(
        TextFormatSchema, load_default=None, allow_none=True, metadata={"description": "What the text must match."}
    )
    verbosity = optional(
        Text,
        None,
        "How long the answer is, for chat templates that have a variable `verbosity`.",
        otherwise="`medium`",
        validate=validate.OneOf(VERBOSITIES, error=f"Expected one of {', '.join(VERBOSITIES)}."),
    )


class ReasoningSchema(Part):
    """The request's `reasoning`."""

    class Meta:
        unknown = EXCLUDE

    effort = optional(
        Effort, None, "`reasoning_effort` of a chat completion.", validate=KnownEffort(), otherwise="none"
    )
    summary = optional(
        Text,
        None,
        "Returned with the response; no other effect: the reasoning itself is returned.",
        validate=validate.OneOf(SUMMARIES, error=f"Expected one of {', '.join(SUMMARIES)}."),
        otherwise="none",
    )


class ConversationOf(ConversationId):
    """A conversation's id, or an object with its `id`; loaded as the id."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        return super()._deserialize(value.get("id") if isinstance(value, dict) else value, attr, data, **kwargs)


def formatted(text: dict[str, Any] | None) -> dict[str, Any]:
    """Return `text`, loaded, with all members that a response's `text` has."""
    text = text or {}
    wanted = text.get("format") or {"type": "text"}
    if wanted["type"] == "json_schema":
        wanted = {
            "type": "json_schema",
            "name": wanted.get("name") or "response",
            "description": wanted.get("description"),
            "schema": wanted["schema"],
            "strict": bool(wanted.get("strict")),
        }
    else:
        wanted = {"type": wanted["type"]}
    return {"format": wanted, "verbosity": text.get("verbosity") or "medium"}
