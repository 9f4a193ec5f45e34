"""How many of an answer's tokens are reasoning."""

import logging
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from vllm.parser.abstract_parser import Parser

log = logging.getLogger("hearth.engine")


def count_reasoning(parser: "Parser", token_ids: list[int], *, reasoned: bool) -> int:
    """Return how many of `token_ids`, a whole answer, are reasoning. `parser` is a new one.

    `reasoned`: the answer has reasoning. Most of vLLM's parsers count from the token that opens it, which the chat
    template may have put into the prompt: then all that precedes the content is counted.
    """
    reasoning_parser = parser.reasoning_parser
    if reasoning_parser is None:
        return 0
    try:
        counted: int = reasoning_parser.count_reasoning_tokens(token_ids)
        if counted or not reasoned:
            return counted
        return len(token_ids) - len(reasoning_parser.extract_content_ids(token_ids))
    except Exception:  # the answer is complete, and must not fail for a figure
        log.exception("vLLM's parser cannot count the tokens of reasoning")
        return 0
