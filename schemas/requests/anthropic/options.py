"""The smaller objects in a request of Anthropic's API: tools and the choice among them, thinking, and others."""

from typing import Any

from marshmallow import ValidationError, fields, pre_load, validate, validates_schema

from schemas import wire
from schemas.requests.chat import EFFORTS, Effort, KnownEffort
from schemas.requests.parts.json_types import Bool, Int, Text
from schemas.requests.parts.structure import SCHEMA_LIMITS, JsonSchema, structure_of
from schemas.requests.parts.tools import NAME, JsonObject, Tools, WithoutNulls
from schemas.requests.parts.warnings import warn

CHOICES = {"auto": "auto", "any": "required", "none": "none"}
"""Anthropic's words for a choice among tools, and those of chat completions."""
THINKING = {"enabled": True, "adaptive": True, "between_tools": True, "disabled": False}
"""By the type of `thinking`: whether the model is to reason."""


UNUSED = {
    "betas": False,
    "billing_policy": False,
    "compaction": False,
    "container": True,
    "context_management": False,
    "diagnostics": False,
    "fallback_credit_token": False,
    "fallbacks": False,
    "inference_geo": False,
    "mcp_servers": True,
    "speed": False,
    "thread": True,
    "user_profile_id": False,
    "workspace_id": False,
}
"""Fields of Anthropic's API that are for its servers alone. True: the client expects something of it, and is warned."""


def without_unused(body: Any) -> Any:
    """Return a body without the fields of `UNUSED`, and with an `output_format`, its older name, in `output_config`."""
    if not isinstance(body, dict):
        return body
    given = UNUSED.keys() & body.keys()
    older = body.get("output_format")
    if not given and older is None:
        return body
    for name in sorted(given):
        if UNUSED[name] and body[name]:
            warn(f"`{name}` has no effect on this server.")
    body = {name: value for name, value in body.items() if name not in given and name != "output_format"}
    newer = {} if body.get("output_config") is None else body["output_config"]
    if older is not None and isinstance(newer, dict):
        body["output_config"] = {"format": older, **newer}
    return body


class ClientToolSchema(WithoutNulls):
    """A tool that the client runs, as Anthropic's API defines it."""

    type = Text(
        load_default="custom",
        validate=validate.OneOf(["custom"], error="Expected custom: this server has no built-in tools."),
        metadata={"description": "The type of the tool. Tools of other types are left out, with a `warning`."},
    )
    name = Text(required=True, validate=NAME, metadata={"description": "The tool's name."})
    description = Text(metadata={"description": "What the tool does and when to call it, for the model."})
    input_schema = JsonObject(metadata={"description": "A JSON Schema of the input, which is an object."})
    strict = Bool(metadata={"description": "`strict` of a function in a chat completion."})


class ClientTools(Tools):
    """The tools of `tools` that the client runs."""

    own_type = "custom"


def functions_of(tools: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return loaded tools in the format of chat completions."""
    names = {"name": "name", "description": "description", "input_schema": "parameters", "strict": "strict"}
    return [
        {"type": "function", "function": {theirs: tool[ours] for ours, theirs in names.items() if ours in tool}}
        for tool in tools
    ]


class ToolChoiceSchema(WithoutNulls):
    """Whether the model calls a tool. A word alone counts as the type."""

    type = Text(
        required=True,
        validate=validate.OneOf([*CHOICES, "tool"], error=f"Expected one of {', '.join(CHOICES)}, tool."),
        metadata={
            "description": "`any`: the model calls a tool; `tool`: the named one. The input of such a call matches the "
            "tool's schema. `none`: the prompt does not mention the tools."
        },
    )
    name = Text(metadata={"description": "With `tool`: its name."})
    disable_parallel_tool_use = Bool(
        load_default=False, metadata={"description": "true: the model makes at most one call."}
    )

    @pre_load
    def _drop_nulls(self, data: Any, **kwargs: Any) -> Any:
        return super()._drop_nulls({"type": data} if isinstance(data, str) else data, **kwargs)

    @validates_schema
    def _need_name(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data.get("type") == "tool" and not data.get("name"):
            raise ValidationError("Expected the name of a tool.", "name")


def choice_of(choice: dict[str, Any] | None) -> str | dict[str, Any] | None:
    """Return a loaded `tool_choice` as that of a chat completion is loaded."""
    if choice is None:
        return None
    if choice["type"] == "tool":
        return {"type": "function", "function": {"name": choice["name"]}}
    return CHOICES[choice["type"]]


class ThinkingSchema(WithoutNulls):
    """Whether the model reasons before it answers."""

    type = Text(
        required=True,
        validate=validate.OneOf(list(THINKING), error=f"Expected one of {', '.join(THINKING)}."),
        metadata={
            "description": "`enable_thinking` of the chat template: all but `disabled` are the same. `disabled` "
            "also leaves the reasoning of a model that reasons all the same out of the reply."
        },
    )
    budget_tokens = Int(
        validate=validate.Range(0, 2**31 - 1),
        metadata={"description": "No effect: the reasoning counts in `max_tokens`."},
    )
    display = Text(metadata={"description": "`omitted`: the reasoning is left out of the reply."})


class OutputFormatSchema(WithoutNulls):
    """What the text must match."""

    type = Text(
        load_default="json_schema",
        validate=validate.OneOf(["json_schema"], error="Expected json_schema."),
        metadata={"description": "The type of the format."},
    )
    schema = JsonSchema(required=True, metadata={"description": f"A JSON Schema. {SCHEMA_LIMITS}"})


class OutputConfigSchema(WithoutNulls):
    """How much the model reasons, and what its text must match."""

    effort = Effort(
        allow_none=True,
        validate=KnownEffort(),
        metadata={"description": f"`reasoning_effort` of the chat template: {', '.join(EFFORTS)}."},
    )
    format = fields.Nested(OutputFormatSchema, metadata={"description": "What the text must match."})


class MetadataSchema(WithoutNulls):
    """What is known of the request."""

    user_id = Text(metadata={"description": "Identifies the end user in the server's log, cut to 64 characters."})


def template_arguments(thinking: dict[str, Any] | None, output: dict[str, Any] | None) -> dict[str, Any]:
    """Return the chat template's variables for a loaded `thinking` and `output_config`."""
    arguments: dict[str, Any] = {}
    effort = None if output is None else output.get("effort")
    if thinking is not None:
        arguments["enable_thinking"] = THINKING[thinking["type"]]
        if effort is None and not arguments["enable_thinking"]:
            effort = "none"  # some templates know no other word
    if effort is not None:
        arguments["reasoning_effort"] = effort
    return arguments


def shows_reasoning(thinking: dict[str, Any] | None) -> bool:
    """Return whether the reply has the model's reasoning."""
    return thinking is None or (THINKING[thinking["type"]] and thinking.get("display") != "omitted")


def structure_in(output: dict[str, Any] | None) -> wire.Structure | None:
    """Return the structure that a loaded `output_config` requires. None: any text is allowed."""
    return None if output is None else structure_of(None, output.get("format"))
