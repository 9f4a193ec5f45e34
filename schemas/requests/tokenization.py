"""`POST /tokenize` and `/detokenize`, in vLLM's shapes: the request bodies."""

from typing import Any

from marshmallow import ValidationError, fields, post_load, validate, validates_schema

from schemas import wire
from schemas.requests.json_types import Body, Bool, Int, Items, Text, optional
from schemas.requests.messages import MessageSchema
from schemas.requests.tools import MAX_TOOLS, JsonObject, ToolSchema
from schemas.requests.vllm_fields import TOKEN_ID


class _ModelSchema(Body):
    model = optional(Text, "", "Any name is served, as everywhere.")


class TokenizeSchema(_ModelSchema):
    """A text, or a conversation as a chat completion has it."""

    prompt = optional(Text, None, "The text. Either this or `messages` is given.", otherwise="none")
    messages = fields.List(
        fields.Nested(MessageSchema),
        load_default=None,
        allow_none=True,
        validate=validate.Length(min=1, error="Expected at least one message."),
        error_messages={"invalid": "Expected an array of messages."},
        metadata={"description": "A conversation, put into the model's chat template.", "x-default": "none"},
    )
    tools = optional(Items, [], "With `messages`.", fields.Nested(ToolSchema), validate=validate.Length(max=MAX_TOOLS))
    add_special_tokens = optional(
        Bool,
        None,
        "Add what the tokenizer puts around a text, such as `<|begin_of_text|>`.",
        otherwise="true for `prompt`; false for `messages`, whose template does it",
    )
    add_generation_prompt = optional(Bool, True, "With `messages`: let the template open the assistant's turn.")
    continue_final_message = optional(
        Bool, False, "With `messages`: leave the last one open. Needs `add_generation_prompt`: false."
    )
    chat_template_kwargs = optional(JsonObject, {}, "With `messages`: more values for the template.")
    return_token_strs = optional(Bool, False, "Return each token as the vocabulary has it, too.")

    @validates_schema
    def _need_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if (data["prompt"] is None) == (data["messages"] is None):
            raise ValidationError("Expected either `prompt` or `messages`.", "prompt")
        if data["add_generation_prompt"] and data["continue_final_message"]:
            raise ValidationError("Not together with `add_generation_prompt`: true.", "continue_final_message")

    @post_load
    def _make_params(self, data: dict[str, Any], **kwargs: Any) -> wire.GenerateParams:
        self.fill_defaults(data)
        return wire.GenerateParams(
            prompts=None if data["prompt"] is None else [data["prompt"]],
            messages=data["messages"],
            tools=data["tools"],
            add_special_tokens=data["add_special_tokens"],
            add_generation_prompt=data["add_generation_prompt"],
            continue_final_message=data["continue_final_message"],
            chat_template_kwargs=data["chat_template_kwargs"],
            return_prompt_token_ids=True,
            tokens_only="named" if data["return_token_strs"] else "counted",
        )


class DetokenizeSchema(_ModelSchema):
    """Token ids."""

    tokens = Items(
        Int(validate=TOKEN_ID),
        required=True,
        validate=validate.Length(min=1, error="Expected at least one token id."),
        metadata={"description": "Token ids of the vocabulary."},
    )

    @post_load
    def _make_params(self, data: dict[str, Any], **kwargs: Any) -> wire.GenerateParams:
        return wire.GenerateParams(prompts=[data["tokens"]], tokens_only="text")
