"""A sequence has the same outputs with the table and without, streamed and whole, after short prompts and long ones."""

import random
from typing import Any

import pytest
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.detokenizer import IncrementalDetokenizer

from engine_proc.adapter.outputs import Output
from engine_proc.adapter.sequences import PROMPT_TOKENS, Sequences
from engine_proc.adapter.shortcuts.byte_detokenizer import ByteTable

TEXTS = ["The fire stays lit 🔥🔥, 快速排序!\n", " naïve café 🜂", "plain words and more of them,", "日本語 𠮷 "]


def request(prompt: list[int], **fields: Any) -> EngineCoreRequest:
    return EngineCoreRequest("1", prompt, None, SamplingParams(**fields), None, 0.0, None, None, None)


def whole_characters(tokenizer: Any, text: str) -> list[int]:
    ids: list[int] = tokenizer.encode(text, add_special_tokens=False)
    return ids


def run(sequences: Sequences, prepared: EngineCoreRequest, ids: list[int], *, stream: bool) -> list[Output]:
    """The outputs of a sequence that generates `ids`, one at a step, and ends with the last."""
    sequence = sequences.begin(None, prepared, stream, raw=False)
    outputs = []
    for number, token_id in enumerate(ids):
        reason = FinishReason.LENGTH if number == len(ids) - 1 else None
        output, _ = sequences.advance(sequence, EngineCoreOutput("1", [token_id], finish_reason=reason))
        if output is not None:
            outputs.append(output)
    return outputs


@pytest.mark.parametrize("skip", [False, True])
def test_text_after_a_long_prompt_is_that_after_the_whole_prompt(tokenizer: Any, skip: bool) -> None:
    draw, sequences = random.Random(2), Sequences(tokenizer)
    for _ in range(150):
        prompt = whole_characters(tokenizer, "".join(draw.choices(TEXTS, k=draw.randint(1, 60))))
        prompt += draw.choices(tokenizer.all_special_ids, k=draw.randint(0, 2))
        ids = whole_characters(tokenizer, draw.choice(TEXTS))
        prepared = request(prompt, skip_special_tokens=skip)
        detokenizer = IncrementalDetokenizer.from_new_request(tokenizer, prepared)
        detokenizer.update(ids, False)
        pieces = [output.text for output in run(sequences, prepared, ids, stream=True)]
        assert "".join(pieces) == detokenizer.get_next_output_text(True, False)


def test_a_prompt_is_shortened_only_where_its_end_tells_all(tokenizer: Any, kind: str) -> None:
    sequences = Sequences(tokenizer)
    long = whole_characters(tokenizer, TEXTS[2] * 60)
    assert len(sequences._shorten(request(long)).prompt_token_ids or []) == PROMPT_TOKENS
    short = request(long[:PROMPT_TOKENS])
    assert sequences._shorten(short) is short
    begun = request([*long, *whole_characters(tokenizer, "🜂")[:-1]])
    assert sequences._shorten(begun) is begun


@pytest.mark.parametrize("fields", [{}, {"stop": ["lit"]}, {"skip_special_tokens": False}], ids=str)
def test_the_table_changes_no_output(tokenizer: Any, table: ByteTable | None, fields: dict[str, Any]) -> None:
    prompt = whole_characters(tokenizer, TEXTS[0])
    for text in TEXTS:
        ids = [*whole_characters(tokenizer, text), *tokenizer.all_special_ids[:2], *whole_characters(tokenizer, " end")]
        for stream in (False, True):
            prepared = request(prompt, **fields)
            plain, quick = (run(Sequences(tokenizer, t), prepared, ids, stream=stream) for t in (None, table))
            assert plain == quick


def test_only_whole_answers_without_stop_strings_and_log_probabilities_wait_for_their_end(
    tokenizer: Any, table: ByteTable | None
) -> None:
    sequences = Sequences(tokenizer, table)
    for stream, fields, waits in (
        (False, {}, True),
        (True, {}, False),
        (False, {"stop": ["a"]}, False),
        (False, {"logprobs": 0}, False),
        (False, {"prompt_logprobs": 0}, False),
    ):
        sequence = sequences.begin(None, request([5, 6], **fields), stream, raw=False)
        assert (sequence.deferring is not None) is (waits and table is not None), (stream, fields)
