"""Have the engine tokenise a prompt, without generating."""

from schemas import wire
from schemas.errors import unavailable
from schemas.replies.merging import merged
from webapp.answering.message import make_message
from webapp.middleware import call
from webapp.services import services

WAIT_SECONDS = 60.0
"""How many seconds to wait for the engine: enough for the longest body on a busy engine."""


def tokenised(params: wire.GenerateParams) -> tuple[wire.Accepted, wire.Delta]:
    """Return the engine's answer to a request with `tokens_only`. Raises `ApiError`: a refusal, or 503."""
    shared = services()
    reply = shared.engine.submit(make_message(call.current(), shared, params, name="tokenize"))
    parts: list[wire.Delta] = []  # of one delta: the names of many tokens come in several
    try:
        while not reply.consumed:
            deltas = reply.deltas(WAIT_SECONDS)
            if not deltas or reply.accepted is None:
                raise unavailable("The engine is too busy.", "engine_busy")
            parts += deltas
    finally:
        reply.close()
    assert reply.accepted is not None
    return reply.accepted, merged(parts)[0]


def prompt_tokens(params: wire.GenerateParams) -> int:
    """Return how many tokens the prompt of `params` has, which would otherwise be answered."""
    counted = wire.GenerateParams(
        messages=params.messages,
        tools=params.tools,
        tool_choice=params.tool_choice,
        chat_template_kwargs=params.chat_template_kwargs,
        add_generation_prompt=params.add_generation_prompt,
        continue_final_message=params.continue_final_message,
        tokens_only="counted",
    )
    return tokenised(counted)[0].prompt_tokens
