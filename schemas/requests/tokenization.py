"""`POST /tokenize` and `POST /detokenize`, as vLLM defines them: the request bodies."""

from typing import Any

from marshmallow import ValidationError, post_load, validates_schema

from schemas import wire
from schemas.requests.generation import Request
from schemas.requests.parts import warnings
from schemas.requests.parts.json_types import Body, Bool, Text, optional
from schemas.requests.parts.messages import messages_field
from schemas.requests.parts.token_ids import TokenIds
from schemas.requests.parts.tools import JsonObject, Tools, ToolSchema


class _ModelSchema(Body):
    model = optional(Text, "", "Any name is accepted, as for a chat completion.")


class TokenizeSchema(_ModelSchema):
    """The body of `POST /tokenize`: a text, or a conversation in the format of a chat completion."""

    prompt = optional(Text, None, "The text. Exactly one of `prompt` and `messages` is required.", otherwise="none")
    messages = messages_field(
        "A conversation, rendered with the model's chat template.", load_default=None, allow_none=True, default="none"
    )
    tools = optional(
        Tools,
        [],
        "With `messages`: the tools in the prompt.",
        ToolSchema,
    )
    add_special_tokens = optional(
        Bool,
        None,
        "Add the tokenizer's special tokens, such as `<|begin_of_text|>`, but not a second time at the begin.",
        otherwise="true for `prompt`; false for `messages`, where the template adds them",
    )
    add_generation_prompt = optional(Bool, True, "With `messages`: let the template begin the assistant's message.")
    continue_final_message = optional(
        Bool, False, "With `messages`: do not end the last message. Requires `add_generation_prompt`: false."
    )
    chat_template_kwargs = optional(JsonObject, {}, "With `messages`: further variables for the template.")
    return_token_strs = optional(Bool, False, "Also return each token's text as it stands in the vocabulary.")

    @validates_schema
    def _need_one(self, data: dict[str, Any], **kwargs: Any) -> None:
        if (data["prompt"] is None) == (data["messages"] is None):
            raise ValidationError("Expected exactly one of `prompt` and `messages`.", "prompt")
        if data["add_generation_prompt"] and data["continue_final_message"]:
            raise ValidationError("Cannot be combined with `add_generation_prompt`: true.", "continue_final_message")

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> Request:
        self.fill_defaults(data)
        params = wire.GenerateParams(
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
        return Request(params=params, model=data["model"], warnings=warnings.taken())


class DetokenizeSchema(_ModelSchema):
    """The body of `POST /detokenize`: token ids."""

    tokens = TokenIds(required=True, metadata={"description": "Token ids of the vocabulary: at least one."})

    @post_load
    def _make_request(self, data: dict[str, Any], **kwargs: Any) -> Request:
        params = wire.GenerateParams(prompts=[data["tokens"]], tokens_only="text")
        return Request(params=params, model=data.get("model"), warnings=warnings.taken())
