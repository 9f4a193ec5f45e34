"""A table gives the texts that vLLM's detokeniser gives, or is not used."""

import copy
import random
from typing import Any

import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreRequest
from vllm.v1.engine.detokenizer import IncrementalDetokenizer

from engine_proc.adapter.shortcuts import byte_detokenizer
from engine_proc.adapter.shortcuts.byte_detokenizer import ByteDetokenizer, ByteTable, proved_table
from tests.engine_proc.adapter.shortcuts.conftest import BYTE_LEVEL, VOCABULARY

TEXTS = ["The fire 🔥🔥, 快速!\n", "naïve — «déjà vu» e\u0301", "👨\u200d👩\u200d👧 日本語 𠮷", "plain text, and more"]
STOPS = ["", "🔥,", "快速", "é", " ", "\ufffd", "text"]


pytestmark = pytest.mark.parametrize("kind", BYTE_LEVEL, indirect=True, scope="session")
"""Others have no table, as test_sequences.py says."""


def request(prompt: list[int], **fields: Any) -> EngineCoreRequest:
    return EngineCoreRequest("1", prompt, None, SamplingParams(**fields), None, 0.0, None, None, None)


def random_tokens(draw: random.Random, tokenizer: Any, table: ByteTable) -> list[int]:
    """Tokens of a text, of parts of characters, special ones, or any."""
    partial = [token_id for token_id, text in enumerate(table.texts(False)) if text is None]
    kind = draw.randrange(4)
    if kind == 0:
        ids: list[int] = tokenizer.encode("".join(draw.choices(TEXTS, k=3)), add_special_tokens=False)
        return ids
    pool = partial if kind == 1 else [*tokenizer.all_special_ids, *partial[:20], *range(20, 90)]
    return draw.choices(pool if kind < 3 else range(len(tokenizer)), k=draw.randint(1, 40))


def streamed(detokenizer: Any, steps: list[list[int]], ends_by_token: bool) -> tuple[list[str], str | None, list[int]]:
    """The pieces of text of a stream, the stop string, and the tokens."""
    pieces, stop = [], None
    for number, step in enumerate(steps):
        last = number == len(steps) - 1
        stop = detokenizer.update(step, last and ends_by_token)
        pieces.append(detokenizer.get_next_output_text(last or stop is not None, True))
        if stop is not None:
            break
    return pieces, stop, list(detokenizer.output_token_ids)


@pytest.mark.parametrize("skip", [False, True], ids=["shown", "skipped"])
@pytest.mark.parametrize("most", [1, 3], ids=["a token a step", "some tokens a step"])
def test_a_stream_has_the_pieces_that_vllm_sends(tokenizer: Any, table: ByteTable, skip: bool, most: int) -> None:
    draw = random.Random(most)
    for _ in range(200):
        prompt = tokenizer.encode(draw.choice(TEXTS) * draw.randint(1, 9))
        ids = random_tokens(draw, tokenizer, table)
        steps = []
        while ids:
            steps.append([ids.pop(0) for _ in range(min(len(ids), draw.randint(1, most)))])
        stop = draw.choice(STOPS)
        fields = {
            "skip_special_tokens": skip,
            "stop": [stop] if stop else [],
            "include_stop_str_in_output": draw.random() < 0.3,
            "min_tokens": draw.choice([0, 0, 4]),
        }
        ends_by_token = draw.random() < 0.5
        mine, theirs = (
            streamed(detokenizer, copy.deepcopy(steps), ends_by_token)
            for detokenizer in (
                ByteDetokenizer(table, request(prompt, **fields)),
                IncrementalDetokenizer.from_new_request(tokenizer, request(prompt, **fields)),
            )
        )
        assert mine == theirs, (fields, steps)


def test_a_deferred_answer_is_the_streamed_one(tokenizer: Any, table: ByteTable) -> None:
    draw = random.Random(5)
    for _ in range(300):
        ids, ends_by_token = random_tokens(draw, tokenizer, table), draw.random() < 0.5
        steps = [[token_id] for token_id in ids]
        pieces, _, _ = streamed(ByteDetokenizer(table, request([1])), steps, ends_by_token)
        whole = ByteDetokenizer(table, request([1]))
        for token_id in ids[:-1]:
            whole.defer([token_id])
        whole.update(ids[-1:], ends_by_token)
        assert whole.get_next_output_text(True, True) == "".join(pieces)
        assert whole.output_token_ids == ids


@pytest.mark.parametrize("special", [False, True], ids=["alone", "before a special token"])
def test_a_character_that_the_prompt_begins_is_completed(tokenizer: Any, table: ByteTable, special: bool) -> None:
    text = "fire 🜂"
    prompt = tokenizer.encode(text, add_special_tokens=False)
    assert table.texts(False)[prompt[-1]] is None, "the character must be several tokens"
    begun = [*prompt[:-1], *([tokenizer.eos_token_id] if special else [])]
    detokenizer = ByteDetokenizer(table, request(begun))
    detokenizer.update(prompt[-1:], False)
    assert detokenizer.get_next_output_text(False, True) == "🜂"


def test_copies_go_on_by_themselves(tokenizer: Any, table: ByteTable) -> None:
    first, *others = tokenizer.encode("🜂", add_special_tokens=False)
    detokenizer = ByteDetokenizer(table, request([1]))
    assert detokenizer.decode_next(first) == ""
    copied = copy.copy(detokenizer)
    assert "".join(map(copied.decode_next, others)) == "🜂"
    assert "".join(map(detokenizer.decode_next, others)) == "🜂"


def test_a_token_beyond_the_tokenizer_has_no_text(tokenizer: Any, table: ByteTable) -> None:
    """A model's vocabulary may be padded."""
    beyond = max(VOCABULARY, len(tokenizer)) - 1
    if tokenizer.backend_tokenizer.id_to_token(beyond) is None:
        assert ByteDetokenizer(table, request([1])).decode_next(beyond) == ""


def test_a_wrong_table_is_not_used(tokenizer: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    right = byte_detokenizer._bytes

    def bytes_of(name: str | None, byte_of: dict[str, int]) -> bytes:
        return b"the" if name == "Ġthe" else right(name, byte_of)

    monkeypatch.setattr(byte_detokenizer, "_bytes", bytes_of)
    assert proved_table(tokenizer, VOCABULARY) is None
