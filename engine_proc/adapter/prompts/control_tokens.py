"""The control tokens of a model, and a twin of its tokenizer that knows them by other names."""

import logging
import secrets
from typing import Any, Self

from tokenizers import AddedToken, Tokenizer

from engine_proc.adapter.special_tokens import added_tokens

log = logging.getLogger("hearth.rendering")

PROBES = ("{0}user\n\nHello, 世界 🔥  {1}", " {0} a{1}{0} b\n{1}", "{0}{1}", "a  b\n\n")
"""Texts with two control tokens, on which a twin must agree with its tokenizer."""


def control_tokens(tokenizer: Any, turn: str) -> dict[str, int]:
    """Return the ids of the control tokens, by their texts: of those that the tokenizer finds in a text.

    They are the special tokens, and those of the vocabulary that the template has put around the text in `turn`: some
    models mark their turns with tokens that are not declared special.
    """
    tokens = added_tokens(tokenizer)
    added = {token.content: token_id for token_id, token in tokens.items()}
    special = {token.content for token in tokens.values() if token.special}
    return {
        text: token_id
        for text, token_id in added.items()
        if text and (text in special or text in turn)
        if token_id in tokenizer.encode(text, add_special_tokens=False)
    }


class Twin:
    """A tokenizer that gives a model's token ids, and finds a control token only where its `name` is.

    It shares the model's vocabulary and merges with the original. A name has a secret that no client can know.
    """

    def __init__(self, original: Tokenizer, tokens: dict[str, int], begin: list[int]) -> None:
        """`tokens` are the ids of the control tokens by their texts; `begin` those that a text begins with."""
        self._begin = begin
        self._secret = f"\ufdd1{secrets.token_hex(8)}"
        self._tokenizer = Tokenizer(original.model)
        if original.normalizer is not None:
            self._tokenizer.normalizer = original.normalizer
        if original.pre_tokenizer is not None:
            self._tokenizer.pre_tokenizer = original.pre_tokenizer
        added = {token_id: self._renamed(token, tokens) for token_id, token in _added(original).items()}
        self._tokenizer.add_special_tokens([token for token in added.values() if token.special])
        self._tokenizer.add_tokens([token for token in added.values() if not token.special])
        self._ids = {self._tokenizer.token_to_id(token.content): token_id for token_id, token in added.items()}
        """The model's ids of the added tokens, by the twin's."""

    @classmethod
    def of(cls, tokenizer: Any, tokens: dict[str, int]) -> Self | None:
        """Return the twin of Transformers' `tokenizer`. None: the tokenizer is of a kind that has none."""
        backend = getattr(tokenizer, "backend_tokenizer", None)
        if not tokens or not isinstance(backend, Tokenizer):
            return None
        try:
            twin = cls(backend, tokens, _begin(tokenizer))
            if twin._agrees(tokenizer, tokens):
                return twin
        except Exception as error:
            log.warning("a twin of this tokenizer fails: %s", error)
        log.warning("this tokenizer has no twin: a space is put into the texts of control tokens in messages")
        return None

    def name(self, token: str) -> str:
        """Return the name of a control token here. `token` is its text."""
        return self._secret + token

    def encode(self, text: str, add_special_tokens: bool = False) -> list[int]:
        """Return the model's token ids of `text`, with `add_special_tokens` after the begin of text, once."""
        ids = self._tokenizer.encode(text, add_special_tokens=False).ids
        ids = [self._ids.get(token_id, token_id) for token_id in ids]
        begun = not add_special_tokens or ids[: len(self._begin)] == self._begin
        return ids if begun else [*self._begin, *ids]

    def _renamed(self, token: AddedToken, tokens: dict[str, int]) -> AddedToken:
        return AddedToken(
            self.name(token.content) if token.content in tokens else token.content,
            single_word=token.single_word,
            lstrip=token.lstrip,
            rstrip=token.rstrip,
            normalized=token.normalized,
            special=token.special,
        )

    def _agrees(self, tokenizer: Any, tokens: dict[str, int]) -> bool:
        """Return whether named tokens have the ids that the original gives, and the texts of tokens are only texts."""
        texts = list(tokens)
        for probe in PROBES:
            named = probe.format(*map(self.name, (texts[0], texts[-1])))
            if self.encode(named) != tokenizer.encode(probe.format(texts[0], texts[-1]), add_special_tokens=False):
                return False
        # The first of all texts may be prefixed by the tokenizer, so each follows a word.
        named, plain = " ".join(["a", *map(self.name, texts)]), " ".join(["a", *texts, "".join(texts)])
        same = self.encode(named) == tokenizer.encode(" ".join(["a", *texts]), add_special_tokens=False)
        return same and set(tokens.values()).isdisjoint(self.encode(plain))


def _begin(tokenizer: Any) -> list[int]:
    """Return the ids that the tokenizer puts before a text."""
    whole, text = (tokenizer.encode("a", add_special_tokens=added) for added in (True, False))
    length = next((n for n in range(len(whole)) if whole[n : n + len(text)] == text), 0)
    begin: list[int] = whole[:length]
    return begin


def _added(original: Tokenizer) -> dict[int, AddedToken]:
    added: dict[int, AddedToken] = original.get_added_tokens_decoder()
    return dict(sorted(added.items()))
