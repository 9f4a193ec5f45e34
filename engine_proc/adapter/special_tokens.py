"""A tokenizer's special tokens: which they are, and a detokeniser that puts spaces between them."""

from typing import Any

from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.detokenizer import FastIncrementalDetokenizer


class SpacedDetokenizer(FastIncrementalDetokenizer):  # type: ignore[misc]
    """Puts a space between special tokens. vLLM's can only remove such spaces, and byte-level tokenizers make none."""

    def __init__(self, tokenizer: Any, request: EngineCoreRequest) -> None:
        super().__init__(tokenizer, request)
        self._special_ids = special_ids(tokenizer)
        self._after_special = False

    def decode_next(self, next_token_id: int) -> str:
        text: str = super().decode_next(next_token_id)
        special = next_token_id in self._special_ids
        if special and self._after_special and not text.startswith(" "):
            text = f" {text}"
        self._after_special = special
        return text


def special_ids(tokenizer: Any) -> frozenset[int]:
    """Return the ids of all special tokens. Transformers' `all_special_ids` are only those with a role (bos, eos, pad).

    Mistral's own tokenizer has no added tokens, and its `all_special_ids` are all.
    """
    if not hasattr(tokenizer, "added_tokens_decoder"):
        return frozenset(tokenizer.all_special_ids)
    return frozenset(token_id for token_id, token in added_tokens(tokenizer).items() if token.special)


def added_tokens(tokenizer: Any) -> dict[int, Any]:
    """Return the `AddedToken`s by their ids: tokens that are found in a text before the rest is tokenised.

    Empty for Mistral's own tokenizer, which finds no token in a text.
    """
    added: dict[int, Any] = getattr(tokenizer, "added_tokens_decoder", {})
    return added
