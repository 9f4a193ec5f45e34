"""Find the stop strings of sequences that branch, token by token, without decoding a sequence again from its start."""

import copy
from typing import TYPE_CHECKING, Any

from vllm.v1.engine.detokenizer import FastIncrementalDetokenizer, SlowIncrementalDetokenizer

from engine_proc.adapter.sequences import PROMPT_TOKENS

if TYPE_CHECKING:
    from engine_proc.adapter.engine import Engine, Prepared


class TextTail:
    """The end of a sequence's text: as much of it as a stop string can begin in. Never changes."""

    __slots__ = ("_detokenizer", "_length", "_text")

    def __init__(self, detokenizer: Any, text: str = "") -> None:
        """`detokenizer` is vLLM's incremental one, after the tokens whose text ends in `text`."""
        self._detokenizer = detokenizer
        self._length = max(map(len, detokenizer.stop)) - 1
        self._text = text[max(0, len(text) - self._length) :]

    @classmethod
    def after_prompt(cls, engine: "Engine", prepared: "Prepared") -> "TextTail":
        """Return the tail of the text, still empty, of a prepared sequence that has stop strings."""
        shortened = engine.with_prompt(prepared, (prepared.prompt_token_ids or [])[-PROMPT_TOKENS:])
        return cls(engine.sequences.begin(None, shortened, stream=False, raw=False).detokenizer)

    def extend(self, token_id: int) -> "tuple[TextTail, bool]":
        """Return the tail after one more token, and whether a stop string is in it."""
        detokenizer = _copy(self._detokenizer)
        if isinstance(detokenizer, SlowIncrementalDetokenizer):
            detokenizer.token_ids = [token_id]  # it decodes the last of these
        text = self._text + detokenizer.decode_next(token_id)
        stopped = len(text) > len(self._text) and any(stop in text for stop in detokenizer.stop)
        return TextTail(detokenizer, text), stopped


def _copy(detokenizer: Any) -> Any:
    """Return a copy that decodes independently of the original. It must not be used for a whole text."""
    copied = copy.copy(detokenizer)
    if isinstance(copied, FastIncrementalDetokenizer):
        copied.stream = copy.copy(detokenizer.stream)
    elif isinstance(copied, SlowIncrementalDetokenizer):
        copied.tokens = detokenizer.tokens[detokenizer.prefix_offset :]  # none before these is decoded again
        copied.read_offset -= copied.prefix_offset
        copied.prefix_offset = 0
    return copied
