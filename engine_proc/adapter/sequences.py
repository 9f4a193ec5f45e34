"""Sequences as the adapter follows them: vLLM's raw outputs to text, stop strings and log probabilities."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from vllm.sampling_params import RepetitionDetectionParams
from vllm.v1.core.sched.utils import check_sequence_repetition
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.detokenizer import FastIncrementalDetokenizer, IncrementalDetokenizer, uses_fast_detokenizer
from vllm.v1.engine.logprobs import LogprobsProcessor
from vllm.v1.outputs import LogprobsLists

from engine_proc.adapter.logprobs import Pieces, entry, narrow
from engine_proc.adapter.observing.metrics import SequenceStats
from engine_proc.adapter.observing.traces import PARENT
from engine_proc.adapter.outputs import Output, Row
from engine_proc.adapter.resuming import Resumed
from schemas.wire import TokenLogprob

SPACED = "spaced"
"""Among a sequence's `extra_args`: put spaces between special tokens even where the tokenizer does not."""


@dataclass(slots=True)
class Sequence:
    tag: Any
    stream: bool
    prompt_token_ids: list[int]
    max_tokens: int | None
    adapter: str | None
    stats: SequenceStats
    trace: str
    """What its span is a child of; nothing: it has none."""
    detokenizer: IncrementalDetokenizer | None = None
    """None: raw."""
    logprobs: LogprobsProcessor | None = None
    pieces: Pieces | None = None
    """With `logprobs`: which part of the text each token is."""
    prompt_pieces: Pieces | None = None
    """Where the prompt's log probabilities are wanted."""
    silent_ids: frozenset[int] = frozenset()
    """Special tokens that the text leaves out."""
    sent: int = field(default=0)
    """Tokens already reported."""
    cached_tokens: int = 0
    """Of the prompt, that vLLM had computed before."""
    resumed: Resumed | None = None


class Sequences:
    """Begins sequences, and turns what vLLM brings for each into what there is to report."""

    def __init__(self, tokenizer: Any) -> None:
        self._tokenizer = tokenizer
        self._special_ids = _special_ids(tokenizer)
        self.silent_stop_ids: frozenset[int] = frozenset()
        """End tokens that are no news: they are not reported as a stop reason."""

    def begin(self, tag: Any, prepared: EngineCoreRequest, stream: bool, raw: bool) -> Sequence:
        params = prepared.sampling_params
        sequence = Sequence(
            tag,
            stream,
            prepared.prompt_token_ids or [],
            params.max_tokens if params is not None else None,
            prepared.lora_request.lora_name if prepared.lora_request else None,
            SequenceStats(arrival_time=prepared.arrival_time),
            prepared.trace_headers[PARENT] if prepared.trace_headers else "",
        )
        if raw:
            return sequence
        assert params is not None
        sequence.detokenizer = self._detokenizer(prepared)
        sequence.silent_ids = self._special_ids if params.skip_special_tokens else frozenset()
        if params.logprobs is not None or params.prompt_logprobs is not None:
            sequence.logprobs = LogprobsProcessor.from_new_request(self._tokenizer, prepared)
            sequence.pieces = self._pieces(prepared)
        if params.prompt_logprobs is not None:
            sequence.prompt_pieces = self._pieces(msgspec.structs.replace(prepared, prompt_token_ids=[]))
        return sequence

    def resume(self, sequence: Sequence, prepared: EngineCoreRequest, sent: list[int]) -> EngineCoreRequest:
        """Bring `sequence` to where `sent` leaves it, and return the request for the rest."""
        assert sequence.detokenizer is not None
        sequence.detokenizer.update(sent, False)
        sequence.detokenizer.get_next_output_text(False, delta=True)  # the client has it
        if sequence.pieces is not None:
            sequence.pieces.skip(sent)
        sequence.sent = len(sent)
        sequence.resumed = Resumed(prepared, len(sent), prepared.request_id)
        request: EngineCoreRequest = sequence.resumed.remaining_request(sent)
        return request

    def advance(self, sequence: Sequence, raw: EngineCoreOutput) -> tuple[Output | None, bool]:
        """Detokenise `raw`. Returns what there is to report, if anything, and whether the adapter ended it: vLLM would
        go on.
        """
        finish_reason, stop_reason = raw.finish_reason, raw.stop_reason
        if sequence.detokenizer is None:
            reason = None if finish_reason is None else str(finish_reason)
            output = Output(sequence.tag, "", raw.new_token_ids, reason, stop_reason)
            if raw.new_logprobs is not None:
                output.distribution = raw.new_logprobs.logprob_token_ids[0], raw.new_logprobs.logprobs[0]
            if raw.pooling_output is not None:
                output.vector = raw.pooling_output.float().numpy().tobytes()
            output.prompt_scores = raw.new_prompt_logprobs_tensors
            return output, False
        stop_string = sequence.detokenizer.update(raw.new_token_ids, finish_reason is FinishReason.STOP)
        if stop_string is not None:
            finish_reason, stop_reason = FinishReason.STOP, stop_string
        looped = sequence.resumed is not None and finish_reason is None and self._has_looped(sequence, raw)
        if looped:
            finish_reason = FinishReason.REPETITION
        if sequence.logprobs is not None:
            raw.new_logprobs = narrow(raw.new_logprobs, sequence.logprobs.num_logprobs)
            sequence.logprobs.update_from_output(raw)
        finished = finish_reason is not None
        if not finished and not sequence.stream:
            return None, False
        text = sequence.detokenizer.get_next_output_text(finished, delta=True)
        if not finished and not text:
            return None, False  # part of a character or of a stop string: the tokens go with the next text
        if finish_reason is FinishReason.REPETITION:
            finish_reason, stop_reason = FinishReason.STOP, "repetition"
        if stop_reason in self.silent_stop_ids:
            stop_reason = None
        token_ids = sequence.detokenizer.output_token_ids[sequence.sent :]
        reason = None if finish_reason is None else str(finish_reason)
        output = Output(sequence.tag, text, token_ids, reason, stop_reason)
        if sequence.sent == 0:
            output.cached_tokens = sequence.cached_tokens
        if sequence.logprobs is not None:
            self._add_logprobs(sequence, sequence.logprobs, output)
        sequence.sent += len(token_ids)
        return output, looped or stop_string is not None

    def replay(self, prepared: EngineCoreRequest, sent: list[int]) -> Iterator[Output]:
        """What the engine that has sent these tokens must have reported of them, piece by piece."""
        sequence = self.begin(None, prepared, stream=True, raw=False)
        sequence.logprobs = None
        for token_id in sent:
            raw = EngineCoreOutput(request_id=prepared.request_id, new_token_ids=[token_id])
            output, _ = self.advance(sequence, raw)
            if output is not None:
                yield output

    def report(
        self,
        prepared: EngineCoreRequest,
        token_ids: list[int],
        rows: list[Row],
        finish_reason: str | None,
        stop_reason: int | None,
        prompt_scores: Any = None,
    ) -> Output:
        """What `step` would have reported of a sequence of these tokens; `rows` where log probabilities are wanted.

        A stop string in the text ends it, whatever `finish_reason` says; else without one the output is only good for
        its `finish_reason`.
        """
        reasons = {
            "stop": FinishReason.STOP,
            "length": FinishReason.LENGTH,
            "repetition": FinishReason.REPETITION,
        }
        raw = EngineCoreOutput(
            request_id=prepared.request_id,
            new_token_ids=token_ids,
            new_logprobs=_stack(rows) if rows else None,
            new_prompt_logprobs_tensors=prompt_scores,
            finish_reason=None if finish_reason is None else reasons[finish_reason],
            stop_reason=stop_reason,
        )
        output, _ = self.advance(self.begin(None, prepared, stream=False, raw=False), raw)
        return output or Output(None, "", token_ids, None, None)

    def _detokenizer(self, prepared: EngineCoreRequest) -> IncrementalDetokenizer:
        params, tokenizer = prepared.sampling_params, self._tokenizer
        spaced = params is not None and SPACED in (params.extra_args or ()) and not params.skip_special_tokens
        if spaced and uses_fast_detokenizer(tokenizer):
            return _SpacedDetokenizer(tokenizer, prepared)
        return IncrementalDetokenizer.from_new_request(tokenizer, prepared)

    def _pieces(self, prepared: EngineCoreRequest) -> Pieces:
        return Pieces(IncrementalDetokenizer.from_new_request(self._tokenizer, prepared))

    @staticmethod
    def _has_looped(sequence: Sequence, raw: EngineCoreOutput) -> bool:
        """Whether the sequence has fallen into a loop, of which vLLM sees only the end."""
        resumed, detokenizer = sequence.resumed, sequence.detokenizer
        assert resumed is not None and detokenizer is not None
        resumed.observe(raw.new_token_ids)
        params = resumed.prepared.sampling_params
        detection = None if params is None else params.repetition_detection
        return detection is not None and has_looped(detokenizer.output_token_ids, detection)

    def _add_logprobs(self, sequence: Sequence, processor: LogprobsProcessor, output: Output) -> None:
        silent = sequence.silent_ids
        if processor.logprobs is not None and sequence.pieces is not None:
            first = sequence.sent - (sequence.resumed.tokens if sequence.resumed is not None else 0)
            new = itertools.islice(processor.logprobs, first, first + len(output.token_ids))
            output.logprobs = [entry(position, processor.num_logprobs, silent) for position in new]
            sequence.pieces.name(output.logprobs)
            output.cumulative_logprob = processor.cumulative_logprob
        if sequence.sent == 0 and processor.prompt_logprobs is not None and sequence.prompt_pieces is not None:
            tokenizer, ids = self._tokenizer, sequence.prompt_token_ids
            wanted = processor.num_prompt_logprobs
            rest = [entry(position, wanted, silent) for position in processor.prompt_logprobs[1:]]
            beginning = TokenLogprob(tokenizer.decode(ids[:1]), ids[0], None, silent=ids[0] in silent)
            output.prompt_logprobs = [beginning, *rest]
            text = tokenizer.decode(ids, skip_special_tokens=bool(silent))
            sequence.prompt_pieces.name(output.prompt_logprobs, text)


class _SpacedDetokenizer(FastIncrementalDetokenizer):  # type: ignore[misc]
    """vLLM's takes such spaces away where they are not wanted; byte-level tokenizers make none to begin with."""

    def __init__(self, tokenizer: Any, request: EngineCoreRequest) -> None:
        super().__init__(tokenizer, request)
        self._special_ids = _special_ids(tokenizer)
        self._after_special = False

    def decode_next(self, next_token_id: int) -> str:
        text: str = super().decode_next(next_token_id)
        special = next_token_id in self._special_ids
        if special and self._after_special and not text.startswith(" "):
            text = f" {text}"
        self._after_special = special
        return text


def _special_ids(tokenizer: Any) -> frozenset[int]:
    """Not `all_special_ids`, which has only those with a role (bos, eos, pad)."""
    return frozenset(token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special)


def _stack(rows: list[Row]) -> LogprobsLists:
    ids, logprobs, ranks = zip(*rows, strict=True)
    return LogprobsLists(np.stack(ids), np.stack(logprobs), np.array(ranks, dtype=np.int32))


def has_looped(token_ids: list[int], detection: RepetitionDetectionParams) -> bool:
    """vLLM's own test of a sequence that has fallen into a loop."""
    return bool(check_sequence_repetition(token_ids, detection))
