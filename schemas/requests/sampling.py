"""How a choice is sampled and when it ends: the fields that all endpoints which generate text share."""

from typing import Any

from marshmallow import validate

from schemas.requests.parts.json_types import Body, Bool, Int, Number, Seed, optional

INT64 = validate.Range(-(2**63), 2**63 - 1)


class SamplingSchema(Body):
    """The fields of every endpoint that generates text."""

    temperature = optional(
        Number,
        None,
        "0 always chooses the most likely token; higher values give more varied answers.",
        otherwise="the model's default, or 1",
        validate=validate.Range(0, 2),
    )
    top_p = optional(
        Number,
        None,
        "Sample only from the most likely tokens that together have this probability; 1 is off; 0: only the likeliest.",
        otherwise="the model's default, or 1",
        validate=validate.Range(0, 1),
    )


class ControlSchema(SamplingSchema):
    """And the fields that OpenAI's and Anthropic's APIs do not have for all their models."""

    top_k = optional(
        Int,
        None,
        "Sample only from this many of the most likely tokens; -1 or 0 is off.",
        otherwise="the model's default, or off",
        validate=validate.Range(-1, 2**31 - 1),
    )
    min_p = optional(
        Number,
        None,
        "Sample only tokens with at least this share of the most likely token's probability; 0 is off.",
        otherwise="the model's default, or 0",
        validate=validate.Range(0, 1),
    )
    seed = optional(
        Seed,
        None,
        "The same request with the same seed has the same answer.",
        otherwise="random",
        validate=INT64,
    )
    presence_penalty = optional(
        Number,
        0.0,
        "Above 0 discourages tokens that are already in the answer; below 0 encourages them.",
        validate=validate.Range(-2, 2),
    )
    frequency_penalty = optional(
        Number,
        0.0,
        "Like `presence_penalty`, in proportion to the token's count in the answer.",
        validate=validate.Range(-2, 2),
    )
    repetition_penalty = optional(
        Number,
        None,
        "Above 1 discourages tokens that are already in the prompt or the answer; below 1 encourages them.",
        otherwise="the model's default, or 1",
        validate=validate.Range(0, 100, min_inclusive=False),
    )
    ignore_eos = optional(
        Bool, False, "Ignore the end-of-text token and the default stops, until another limit ends the choice."
    )
    enable_repeat_stopper = optional(
        Bool,
        False,
        "End a choice that repeats itself in a loop, with `finish_reason` `stop` and `stop_reason` `repetition`.",
    )
    add_default_stop = optional(
        Bool,
        True,
        "Add the server's stops to the request's own: the model's end tokens and those of `HEARTH_DEFAULT_STOPS`. "
        "false: only the tokenizer's end token and the request's own stops.",
    )


def nucleus(data: dict[str, Any]) -> dict[str, Any]:
    """Return `top_p` of the wire. vLLM refuses 0, the likeliest token alone, which is `top_k` 1."""
    return {"top_p": 1.0, "top_k": 1} if data["top_p"] == 0 else {"top_p": data["top_p"]}
