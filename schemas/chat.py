"""`POST /v1/chat/completions`: the request body."""

from typing import Any

from marshmallow import EXCLUDE, Schema, ValidationError, fields, pre_load, validate, validates_schema

from schemas.fields import GenerationSchema
from schemas.json_types import Bool, Int, Items, Text, optional

MAX_CONVERSATION_ID = 255
ROLES = ("system", "developer", "user", "assistant", "tool")


class Content(fields.Field[Any]):
    """A string, or a list of `{"type": "text", "text": ...}` parts."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, str):
            return value
        if not isinstance(value, list) or not value:
            raise ValidationError("Expected a string or an array of text parts.")
        return [self._part(index, part) for index, part in enumerate(value)]

    @staticmethod
    def _part(index: int, part: Any) -> dict[str, str]:
        if not isinstance(part, dict):
            raise ValidationError({index: ["Expected an object."]})
        kind = part.get("type")
        if kind != "text":
            raise ValidationError({index: {"type": [f"This model reads text only, not {kind!r}."]}})
        if not isinstance(part.get("text"), str):
            raise ValidationError({index: {"text": ["Expected a string."]}})
        return {"type": "text", "text": part["text"]}


class ConversationId(fields.Field[str]):
    """An integer or a string; 42 and "42" are the same conversation."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        if type(value) not in (int, str):
            raise ValidationError("Expected an integer or a string.")
        text = str(value)
        if not 1 <= len(text) <= MAX_CONVERSATION_ID or not text.isprintable():
            raise ValidationError(f"Expected 1 to {MAX_CONVERSATION_ID} printable characters.")
        return text


class MessageSchema(Schema):
    class Meta:
        unknown = EXCLUDE

    role = Text(
        required=True,
        validate=validate.OneOf(ROLES, error="Expected one of system, developer, user, assistant, tool."),
        metadata={"description": "Who speaks."},
    )
    content = Content(
        load_default=None,
        allow_none=True,
        metadata={
            "description": 'Text, or an array of text parts (`{"type": "text", "text": ...}`); null, or left out, '
            "only by an assistant that calls tools.",
        },
    )
    name = Text(metadata={"description": "The speaker's name, for chat templates that use it."})
    tool_calls = Items(fields.Dict(), metadata={"description": "The tools that an assistant called."})
    tool_call_id = Text(metadata={"description": "The call that a message of role `tool` answers."})

    @pre_load
    def _leave_out_nulls(self, data: Any, **kwargs: Any) -> Any:
        """As clients send back what the SDK's `model_dump()` gave them; a chat template would stumble over them."""
        return {name: value for name, value in data.items() if value is not None} if isinstance(data, dict) else data

    @validates_schema
    def _need_content(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["content"] is None and not (data.get("role") == "assistant" and data.get("tool_calls")):
            raise ValidationError("Expected a string or an array of text parts.", "content")


class ChatCompletionSchema(GenerationSchema):
    """A chat completion's body."""

    default_max_tokens = None  # the rest of the context

    messages = fields.List(
        fields.Nested(MessageSchema),
        required=True,
        validate=validate.Length(min=1, error="Expected at least one message."),
        error_messages={"invalid": "Expected an array of messages."},
        metadata={
            "description": "The conversation so far: at least one message. With `conversation_id`, what is new in it."
        },
    )
    max_completion_tokens = optional(
        Int,
        None,
        "The newer name of `max_tokens`; where both are given, this one counts.",
        otherwise="`max_tokens`",
        validate=validate.Range(1, 2**31 - 1),
    )
    logprobs = optional(Bool, False, "Return the log probability of each token.")
    top_logprobs = optional(
        Int,
        None,
        "How many alternatives to return with each token. Allowed with `logprobs`: true only.",
        otherwise="0",
        validate=validate.Range(0, 20),
    )
    add_generation_prompt = optional(
        Bool,
        None,
        "Let the chat template open the assistant's turn.",
        otherwise="the opposite of `continue_final_message`",
    )
    continue_final_message = optional(
        Bool,
        False,
        "Go on with the last message instead of answering it. Not together with `add_generation_prompt`: true (400).",
    )
    force_prompt = optional(
        Text,
        None,
        "An instruction that the server adds to the system message (or makes one of). It is never echoed, and never "
        "stored with the conversation.",
        otherwise="none",
    )
    conversation_id = optional(
        ConversationId,
        None,
        'The conversation that this is a turn of; 42 and `"42"` are the same one. What was said under this id goes '
        "before `messages`, and what is new, with the first choice, is stored when the reply is complete. A client "
        "that sends the whole history itself is recognised: nothing is doubled. Each API key has its own.",
        otherwise="none: nothing is stored",
    )

    @pre_load
    def _refuse_template(self, data: Any, **kwargs: Any) -> Any:
        """A template is a program, and would run in the engine. Ignoring it would answer another question."""
        if isinstance(data, dict) and data.get("chat_template") is not None:
            raise ValidationError("The model's own template is used; a request cannot bring one.", "chat_template")
        return data

    @validates_schema
    def _check_template_flags(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["continue_final_message"] and data["add_generation_prompt"]:
            raise ValidationError("Not together with `add_generation_prompt`: true.", "continue_final_message")

    @validates_schema
    def _check_logprobs(self, data: dict[str, Any], **kwargs: Any) -> None:
        if data["top_logprobs"] is not None and not data["logprobs"]:
            raise ValidationError("Only allowed with `logprobs`: true.", "top_logprobs")

    def _max_tokens(self, data: dict[str, Any]) -> int | None:
        newer: int | None = data["max_completion_tokens"]
        return super()._max_tokens(data) if newer is None else newer

    def _logprobs(self, data: dict[str, Any]) -> int | None:
        return (data["top_logprobs"] or 0) if data["logprobs"] else None

    def _prompt(self, data: dict[str, Any]) -> dict[str, Any]:
        opens = data["add_generation_prompt"]
        return {
            "messages": data["messages"],
            "add_generation_prompt": not data["continue_final_message"] if opens is None else opens,
            "continue_final_message": data["continue_final_message"],
        }

    def _kept_for_later(self, data: dict[str, Any]) -> dict[str, Any]:
        return {"force_prompt": data["force_prompt"], "conversation_id": data["conversation_id"]}


def enforce(messages: list[dict[str, Any]], instruction: str | None) -> list[dict[str, Any]]:
    """Add `instruction` to the system message, making one where there is none. The given list is not changed."""
    if not instruction:
        return messages
    first = messages[0]
    if first["role"] not in ("system", "developer"):
        return [{"role": "system", "content": instruction}, *messages]
    content = first["content"]
    if isinstance(content, str):
        content = f"{content}\n{instruction}"
    else:
        content = [*content, {"type": "text", "text": instruction}]
    return [{**first, "content": content}, *messages[1:]]
