"""The fields that name tokens of the vocabulary, by id or by text: biases and white lists."""

from marshmallow import validate

from schemas.requests.parts.json_types import Body, Int, Items, LogitBias, Text, TotalLength, optional
from schemas.requests.vllm_fields import TOKEN_ID

MAX_TOKEN_CHARS = 64 * 1024
"""Characters of all tokens of one field that are given as text."""
MAX_TEXT_CHARS = 1000
"""Characters of one of them in a white list."""


class NamedTokenFields(Body):
    """Biases and white lists."""

    logit_bias = optional(
        LogitBias,
        {},
        "From a token to the bias added to its logit: -100 bans the token, 100 practically forces it. A token is an "
        "id in digits (outside the vocabulary: 400) or a text. A text stands for itself and for itself after a space, "
        "where either is one token; where neither is, for the first token of each. At most 1024 tokens.",
        validate=[validate.Length(max=1024), TotalLength(MAX_TOKEN_CHARS)],
    )
    white_list_token_ids = optional(
        Items,
        [],
        "Only these tokens and those of `white_list_token` may be generated, the end-of-text token only if it is "
        "listed. Ids outside the vocabulary are a 400. At most 1024 tokens in all white lists.",
        Int(validate=TOKEN_ID),
        validate=validate.Length(max=1024),
    )
    white_list_token = optional(
        Items,
        [],
        "Like `white_list_token_ids`, as texts. A text stands for tokens as in `logit_bias`, but where neither form is "
        "one token, all tokens of the text are allowed.",
        Text(validate=validate.Length(1, MAX_TEXT_CHARS)),
        validate=[validate.Length(max=1024), TotalLength(MAX_TOKEN_CHARS)],
    )
