"""The log probabilities of a sequence are vLLM's own, and Python's garbage collector does not look at what is kept."""

import gc
import random
from typing import Any

import numpy as np
import pytest
import torch
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest
from vllm.v1.engine.logprobs import LogprobsProcessor
from vllm.v1.outputs import LogprobsLists, LogprobsTensors

from engine_proc.adapter.sequences import Sequence, Sequences
from tests.engine_proc.adapter.shortcuts.test_sequences import TEXTS, request, whole_characters

ALTERNATIVES = 5


def rows(ids: list[int], vocabulary: int) -> list[LogprobsLists]:
    """What vLLM's sampler returns with each of `ids`: the token, which is the likeliest, and some others."""
    draw = random.Random(5)
    logprobs = np.array([[-0.25, -0.25, *(-1.0 - number for number in range(ALTERNATIVES - 1))]], dtype=np.float32)
    return [
        LogprobsLists(
            np.array([[token_id, token_id, *draw.sample(range(vocabulary), ALTERNATIVES - 1)]]), logprobs, np.array([1])
        )
        for token_id in ids
    ]


def scored(sequences: Sequences, prepared: EngineCoreRequest, given: list[LogprobsLists]) -> Sequence:
    """A sequence that has got a token with each row, and goes on."""
    sequence = sequences.begin(None, prepared, stream=False, raw=False)
    for row in given:
        token_id = int(row.logprob_token_ids[0][0])
        sequences.advance(sequence, EngineCoreOutput("1", [token_id], new_logprobs=row))
    return sequence


def prepared(tokenizer: Any) -> EngineCoreRequest:
    return request(whole_characters(tokenizer, TEXTS[2]), logprobs=ALTERNATIVES)


def test_what_is_forgotten_of_the_tokens_before_changes_nothing(tokenizer: Any) -> None:
    ids = whole_characters(tokenizer, "".join(TEXTS))
    given = rows(ids, len(tokenizer))
    by_vllm = LogprobsProcessor.from_new_request(tokenizer, prepared(tokenizer))
    for row in given:
        by_vllm.update_from_output(EngineCoreOutput("1", [], new_logprobs=row))
    entries = scored(Sequences(tokenizer), prepared(tokenizer), given).entries
    assert [entry.id for entry in entries] == ids
    assert by_vllm.logprobs is not None
    for entry, position in zip(entries, by_vllm.logprobs, strict=True):
        texts = [position[token_id].decoded_token for _, token_id, _ in entry.top]
        assert [text for text, _, _ in entry.top] == texts
    assert any("\ufffd" in text or not text for entry in entries for text, _, _ in entry.top), "no part of a character"


def tracked_objects() -> int:
    """How many objects each collection looks at."""
    for _ in range(2):  # the first leaves out tuples of plain values, the second tuples of such tuples
        gc.collect()
    return len(gc.get_objects())


@pytest.mark.parametrize("what", ["tokens", "prompt"])
def test_the_collector_does_not_look_at_log_probabilities(tokenizer: Any, what: str) -> None:
    ids = whole_characters(tokenizer, "".join(TEXTS)) * 4
    given = rows(ids, len(tokenizer))
    sequences = Sequences(tokenizer)

    def score() -> Sequence:
        if what == "tokens":
            return scored(sequences, prepared(tokenizer), given)
        return scored_prompt(sequences, ids, given)

    score()  # what is made once, and kept for all sequences
    before = tracked_objects()
    kept = score()
    assert len(kept.entries or kept.prompt_entries or ()) == len(ids)
    assert tracked_objects() - before < len(ids) / 2


def scored_prompt(sequences: Sequences, ids: list[int], given: list[LogprobsLists]) -> Sequence:
    """A sequence whose prompt, of the tokens `ids`, has its log probabilities, and which has sent nothing yet."""
    sequence = sequences.begin(None, request(ids, prompt_logprobs=ALTERNATIVES), stream=False, raw=False)
    tensors = LogprobsTensors(
        torch.from_numpy(np.concatenate([row.logprob_token_ids for row in given[1:]])),
        torch.from_numpy(np.concatenate([row.logprobs for row in given[1:]])),
        torch.ones(len(given) - 1, dtype=torch.int32),
    )
    sequences.score_prompt(sequence, EngineCoreOutput("1", [], new_prompt_logprobs_tensors=tensors))
    return sequence
