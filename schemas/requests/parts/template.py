"""Variables of the model's chat template that a request sets."""

from typing import Any

from marshmallow import ValidationError, validates_schema

from schemas.requests.parts.json_types import Body, optional
from schemas.requests.parts.tools import JsonObject

RESERVED = (
    "chat_template",
    "tokenize",
    "return_dict",
    "conversation",
    "tools",
    "documents",
    "add_generation_prompt",
    "continue_final_message",
)
"""Arguments of the chat template's renderer that are set by other fields, or that no client may set."""


class TemplateFields(Body):
    """The field of requests whose prompt the chat template makes."""

    chat_template_kwargs = optional(
        JsonObject,
        {},
        "Further variables for the model's chat template, such as `enable_thinking`. Unused ones have no effect.",
    )

    @validates_schema
    def _check_template_kwargs(self, data: dict[str, Any], **kwargs: Any) -> None:
        for name in RESERVED:
            if name in (data["chat_template_kwargs"] or ()):
                raise ValidationError({"chat_template_kwargs": {name: ["Not allowed: the server sets this variable."]}})
