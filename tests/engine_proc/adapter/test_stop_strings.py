"""Stop strings found token by token, against vLLM's detokeniser over the whole sequence."""

import random
from typing import Any

import msgspec
import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.detokenizer import SlowIncrementalDetokenizer

from engine_proc.adapter.sequences import PROMPT_TOKENS, SPACED, Sequences
from engine_proc.adapter.stop_strings import TextTail

TEXTS = [
    "The fire stays lit 🔥🔥, 快速排序!\n",
    "naïve café — «déjà vu»",
    "a b a b a b <|eot_id|><|eot_id|>",
    "e\u0301👩\u200d👩\u200d👦",
]
STOPS = ["🔥,", "lit 🔥", "快速", "é v", "b a b a", "!\n", "<|eot_id|> <|eot_id|>", "👩\u200d👩", " ", "\ufffd"]
KINDS: dict[str, dict[str, Any]] = {
    "as usual": {},
    "special tokens": {"skip_special_tokens": False},
    "spaced": {"skip_special_tokens": False, "extra_args": {SPACED: True}},
    "unspaced": {"skip_special_tokens": False, "spaces_between_special_tokens": False},
}


class Engine:
    """The adapter's interface, which notes the prompts that detokenisers get."""

    def __init__(self, tokenizer: Any, *, slow: bool) -> None:
        self.sequences = Sequences(tokenizer)
        self.prompts: list[list[int]] = []
        if slow:
            make: Any = lambda request: SlowIncrementalDetokenizer(tokenizer, request)  # noqa: E731
            self.sequences._detokenizer = make  # type: ignore[method-assign]

    def with_prompt(self, request: EngineCoreRequest, token_ids: list[int]) -> EngineCoreRequest:
        self.prompts.append(token_ids)
        return msgspec.structs.replace(request, prompt_token_ids=token_ids)

    def has_stopped(self, request: EngineCoreRequest, token_ids: list[int]) -> bool:
        """Whether a stop string is in the text of these tokens, decoded from their start."""
        return self.sequences.report(request, token_ids, [], None, None).finish_reason == "stop"


def prepared(prompt: list[int], stops: list[str], **fields: Any) -> EngineCoreRequest:
    params = SamplingParams(stop=stops, **fields)
    return EngineCoreRequest("1", prompt, None, params, None, 0.0, None, None, None)


@pytest.mark.parametrize("slow", [False, True], ids=["fast", "slow"])
@pytest.mark.parametrize("kind", KINDS)
def test_they_are_found_where_a_decoding_from_the_start_finds_them(tokenizer: Any, kind: str, slow: bool) -> None:
    """Token sequences of texts, and with tokens from anywhere: parts of characters, and special ones."""
    chosen, engine, found = random.Random(1), Engine(tokenizer, slow=slow), 0
    for _ in range(60):
        prompt = tokenizer.encode(chosen.choice(TEXTS) * chosen.randint(1, 20))
        token_ids = tokenizer.encode("".join(chosen.choices(TEXTS, k=3)), add_special_tokens=False)
        for _ in range(chosen.randint(0, 6)):
            token_ids.insert(chosen.randrange(len(token_ids)), chosen.randrange(len(tokenizer)))
        request = prepared(prompt, chosen.sample(STOPS, k=chosen.randint(1, 3)), **KINDS[kind])
        tail = TextTail.after_prompt(engine, request)  # type: ignore[arg-type]
        for length, token_id in enumerate(token_ids, start=1):
            tail.extend(chosen.randrange(len(tokenizer)))  # another branch
            tail, stopped = tail.extend(token_id)
            assert stopped == engine.has_stopped(request, token_ids[:length]), (request, token_ids[:length])
            if stopped:
                found += 1
                break
    assert found > 20
    assert all(len(given) <= PROMPT_TOKENS for given in engine.prompts)


def test_what_is_kept_does_not_grow(tokenizer: Any) -> None:
    tail = TextTail.after_prompt(Engine(tokenizer, slow=True), prepared([5], ["never" * 4]))  # type: ignore[arg-type]
    for token_id in tokenizer.encode(TEXTS[0] * 50, add_special_tokens=False):
        tail, _ = tail.extend(token_id)
    assert len(tail._text) == len("never" * 4) - 1
    assert len(tail._detokenizer.tokens) < 20
    assert len(tail._detokenizer.token_ids) == 1
