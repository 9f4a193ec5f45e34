"""The tokens that a request names, by id or by text: biases, white lists, bad words, end tokens; and how many it may.

vLLM's GPU runner keeps a buffer of fixed size for each request. More tokens than its size raise in the worker, which
ends EngineCore and with it every request. On a CPU vLLM has no such buffers, but the limits are the same: a request is
valid, or not, whatever the engine runs on.
"""

from dataclasses import dataclass
from typing import Any

from vllm import envs
from vllm.v1.worker.gpu.sample import logit_bias

from engine_proc.adapter.token_bytes import REPLACEMENT
from schemas.errors import invalid
from schemas.wire import Sampling

MAX_BIASES: int = logit_bias.MAX_NUM_LOGIT_BIAS_TOKENS
MAX_ALLOWED: int = logit_bias.MAX_NUM_ALLOWED_TOKEN_IDS
MAX_STOP_IDS: int = logit_bias.MAX_NUM_STOP_TOKEN_IDS
"""Limit on the end tokens of a request with `min_tokens`; without, vLLM's worker does not need to know them."""
MAX_BAD_WORDS: int = envs.VLLM_MAX_NUM_BAD_WORDS
MAX_BAD_WORD_TOKENS: int = envs.VLLM_MAX_BAD_WORDS_TOTAL_TOKENS
"""Limit on the tokens of all bad words of a request."""


@dataclass(slots=True)
class NamedTokens:
    """Finds the tokens that a request names, in the loaded model's vocabulary.

    Each method raises `ApiError` (400), which names the field, for a token that the model does not have, and for more
    tokens than vLLM takes.
    """

    tokenizer: Any
    vocab_size: int

    def biases(self, wanted: dict[str, float]) -> dict[int, float]:
        """Return the biases by token id. `wanted` is keyed by ids in digits or by texts."""
        biases: dict[int, float] = {}
        for token, bias in wanted.items():
            ids = [self._in_vocabulary(_as_id(token), "logit_bias")] if _is_id(token) else self._biased_ids(token)
            biases.update(dict.fromkeys(ids, bias))
            if len(biases) > MAX_BIASES:
                raise invalid(
                    f"`logit_bias` names more than {MAX_BIASES} tokens. A text may name two: one at the start of a "
                    "text, one after a space.",
                    "logit_bias",
                )
        return biases

    def parts_of_characters(self, wanted: dict[str, float]) -> list[str]:
        """Return the texts of `wanted` whose bias applies to a part of a character, which other characters have too."""
        texts = [token for token in wanted if not _is_id(token)]
        return [
            text
            for text in texts
            if any(REPLACEMENT in self.tokenizer.decode([token_id]) for token_id in self._biased_ids(text))
        ]

    def white_list(self, wanted: Sampling) -> list[int]:
        """Return the ids that may be generated, from all of the request's lists. Empty: no list, all tokens."""
        allowed: dict[int, None] = {}
        for field in ("white_list_token_ids", "allowed_token_ids"):
            self._allow(allowed, [self._in_vocabulary(i, field) for i in getattr(wanted, field)], field)
        for text in wanted.white_list_token:
            variants = self._variants(text, "white_list_token")
            single = [ids for ids in variants if len(ids) == 1]
            self._allow(allowed, [token_id for ids in single or variants for token_id in ids], "white_list_token")
        return list(allowed)

    def bad_words(self, words: list[str]) -> list[list[int]]:
        """Return the token ids of each text, and of each text after a space, that must not be generated."""
        found = [ids for word in words for ids in self._variants(word, "bad_words")]
        # The model cannot generate what is not in its vocabulary, and vLLM's worker would write outside of its logits.
        found = [ids for ids in found if max(ids) < self.vocab_size]
        for count, limit, what in (
            (len(found), MAX_BAD_WORDS, "texts"),
            (sum(map(len, found)), MAX_BAD_WORD_TOKENS, "tokens in all"),
        ):
            if count > limit:
                raise invalid(
                    f"`bad_words` are {count} {what}, each counted as it stands and after a space: at most {limit} are "
                    "possible.",
                    "bad_words",
                )
        return found

    def check_stop_ids(self, stop_ids: list[int], min_tokens: int) -> None:
        """Check the end tokens of a request with `min_tokens` (0: it has none), which vLLM bans until then."""
        if min_tokens == 0:
            return
        count = len({*stop_ids, self.tokenizer.eos_token_id} - {None})
        if count > MAX_STOP_IDS:
            raise invalid(
                f"With `min_tokens`, at most {MAX_STOP_IDS} end tokens are possible. This request has {count}, the "
                "model's own and the server's default stops included.",
                "stop_token_ids",
            )

    def _biased_ids(self, text: str) -> list[int]:
        """Return the ids to bias for `text`: variants that are one token, else the first token of each variant."""
        variants = self._variants(text, "logit_bias")
        single = [ids[0] for ids in variants if len(ids) == 1]
        return single or [ids[0] for ids in variants]

    def _variants(self, text: str, field: str) -> list[list[int]]:
        """Return the token ids of `text` at the start of a text, and of `text` after a space.

        Only the former if the space is a token of its own there, as before most Chinese: it is no part of `text`.
        """
        ids, spaced = (self.tokenizer.encode(variant, add_special_tokens=False) for variant in (text, f" {text}"))
        variants = [ids] if spaced[1:] == ids else [ids, spaced]
        if not ids:  # the tokenizer drops some characters
            raise invalid(f"The model has no token for {text[:50]!r}.", field)
        return variants

    def _in_vocabulary(self, token_id: int, field: str) -> int:
        if token_id >= self.vocab_size:
            raise invalid(f"Token id {token_id} is outside the vocabulary of {self.vocab_size} tokens.", field)
        return token_id

    @staticmethod
    def _allow(allowed: dict[int, None], token_ids: list[int], field: str) -> None:
        """Add `token_ids` to `allowed`. `field` is the one that names them."""
        allowed.update(dict.fromkeys(token_ids))
        if len(allowed) > MAX_ALLOWED:
            raise invalid(
                f"With `{field}`, the white lists have more than {MAX_ALLOWED} tokens, the limit for a request. A text "
                "counts with all of its tokens.",
                field,
            )


def _is_id(token: str) -> bool:
    return token.isascii() and token.isdigit()


def _as_id(digits: str) -> int:
    """Return the number. Of one with more than 20 digits only these: no vocabulary is so large, and Python refuses."""
    return int((digits.lstrip("0") or "0")[:20])
