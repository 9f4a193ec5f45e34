"""The state of each sequence: vLLM's raw outputs become text, with stop strings and log probabilities."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np
from vllm.sampling_params import RepetitionDetectionParams
from vllm.v1.core.sched.utils import check_sequence_repetition
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.detokenizer import IncrementalDetokenizer, uses_fast_detokenizer
from vllm.v1.engine.logprobs import LogprobsProcessor
from vllm.v1.outputs import LogprobsLists

from engine_proc.adapter.logprobs import TokenTexts, entry, narrow
from engine_proc.adapter.observing.metrics import SequenceStats
from engine_proc.adapter.observing.traces import PARENT
from engine_proc.adapter.outputs import Output, Row
from engine_proc.adapter.resuming import Resumed
from engine_proc.adapter.shortcuts import stop_check
from engine_proc.adapter.shortcuts.byte_detokenizer import ByteDetokenizer, ByteTable
from engine_proc.adapter.special_tokens import SpacedDetokenizer, special_ids
from engine_proc.adapter.token_bytes import TokenBytes
from schemas.wire import TokenLogprob

PROMPT_TOKENS = 64
"""How many of a prompt's last tokens vLLM's detokeniser gets. What follows depends on the last few, which may be part
of a character or end in a space.
"""
SPACED = "spaced"
"""Key in `SamplingParams.extra_args`: put a space between special tokens even if the tokenizer puts none."""

CONTEXT_POSITIONS = 4
"""The last positions whose tokens vLLM looks at to complete characters."""


@dataclass(slots=True)
class Sequence:
    """What the adapter keeps of one submitted sequence."""

    tag: Any
    stream: bool
    prompt_token_ids: list[int]
    max_tokens: int | None
    adapter: str | None
    stats: SequenceStats
    trace: str
    """`traceparent` of the parent span. Empty: the sequence is not traced."""
    detokenizer: IncrementalDetokenizer | None = None
    """None: a sequence submitted with `raw`, which is not detokenised."""
    deferring: ByteDetokenizer | None = None
    """The detokeniser, if it is not needed before the sequence ends: the answer is sent whole, and has no stop strings
    and no log probabilities.
    """
    logprobs: LogprobsProcessor | None = None
    token_texts: TokenTexts | None = None
    """Finds the text of each generated token, for the log probabilities. None: these were not requested."""
    scored: int = 0
    """How many positions of `logprobs`, the first ones, have been converted to entries."""
    entries: list[TokenLogprob] = field(default_factory=list)
    """The log probabilities of the tokens that no output has had yet."""
    prompt_entries: list[TokenLogprob] | None = None
    """The log probabilities of the prompt's tokens, until an output has them."""
    prompt_texts: TokenTexts | None = None
    """Finds the text of each prompt token. None: the prompt's log probabilities were not requested."""
    silent_ids: frozenset[int] = frozenset()
    """Ids of the special tokens that the text leaves out."""
    sent: int = field(default=0)
    """How many tokens the outputs so far had."""
    cached_tokens: int = 0
    """How many prompt tokens vLLM had in its prefix cache."""
    resumed: Resumed | None = None
    """None: this engine began the sequence."""


class Sequences:
    """Creates `Sequence` objects, and converts vLLM's outputs for them to `Output`s."""

    def __init__(self, tokenizer: Any, table: ByteTable | None = None) -> None:
        """`table` decodes the tokenizer's tokens. None: vLLM's detokenisers do."""
        stop_check.install()
        self._tokenizer = tokenizer
        self._table = table
        self._special_ids = special_ids(tokenizer)
        self._bytes = TokenBytes(tokenizer)
        self.silent_stop_ids: frozenset[int] = frozenset()
        """Ids of the model's usual end tokens, which are not reported as a stop reason."""

    def begin(self, tag: Any, prepared: EngineCoreRequest, stream: bool, raw: bool) -> Sequence:
        """Return the state of a sequence that is about to be submitted. The arguments are those of `Engine.submit`."""
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
            sequence.token_texts = self._token_texts(prepared)
        if params.prompt_logprobs is not None:
            sequence.prompt_texts = self._token_texts(msgspec.structs.replace(prepared, prompt_token_ids=[]))
        whole = not stream and not params.stop and sequence.logprobs is None
        if whole and isinstance(sequence.detokenizer, ByteDetokenizer):
            sequence.deferring = sequence.detokenizer
        return sequence

    def resume(self, sequence: Sequence, prepared: EngineCoreRequest, sent: list[int]) -> EngineCoreRequest:
        """Advance `sequence` past the tokens `sent`, and return vLLM's request for the tokens after them."""
        assert sequence.detokenizer is not None
        sequence.detokenizer.update(sent, False)
        sequence.detokenizer.get_next_output_text(False, delta=True)  # drop the text: the client has it
        if sequence.token_texts is not None:
            sequence.token_texts.skip(sent)
        sequence.sent = len(sent)
        sequence.deferring = None
        sequence.resumed = Resumed(prepared, len(sent), prepared.request_id)
        request: EngineCoreRequest = sequence.resumed.remaining_request(sent)
        return request

    def advance(self, sequence: Sequence, raw: EngineCoreOutput) -> tuple[Output | None, bool]:
        """Detokenise `raw`.

        Returns the output, and whether the adapter ended the sequence, which vLLM would continue. None in place of an
        output: there is nothing to send yet.
        """
        finish_reason, stop_reason = raw.finish_reason, raw.stop_reason
        if sequence.deferring is not None and finish_reason is None:
            sequence.deferring.defer(raw.new_token_ids)
            return None, False
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
            if raw.new_prompt_logprobs_tensors is not None:
                self.score_prompt(sequence, raw)
            raw.new_logprobs = narrow(raw.new_logprobs, sequence.logprobs.num_logprobs)
            sequence.logprobs.update_from_output(raw)
            self._convert_logprobs(sequence, sequence.logprobs)
        finished = finish_reason is not None
        if not finished and not sequence.stream:
            return None, False
        text = sequence.detokenizer.get_next_output_text(finished, delta=True)
        if not finished and not text:
            return None, False  # part of a character or of a stop string: the next output has the tokens
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
        """Yield the outputs in which another engine must have sent the tokens `sent`, one after the other."""
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
        """Return the output that `Engine.step` would return for a whole sequence of `token_ids`.

        `rows` holds one row per token; empty: the output has no log probabilities. `prompt_scores` are vLLM's tensors
        of the prompt's log probabilities. A stop string in the text ends the sequence, whatever `finish_reason` is.
        Without either, only the output's `finish_reason` is valid, and is None.
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
        assert params is not None
        if SPACED in (params.extra_args or ()) and not params.skip_special_tokens and uses_fast_detokenizer(tokenizer):
            return SpacedDetokenizer(tokenizer, self._shorten(prepared))
        if self._table is not None and (params.skip_special_tokens or params.spaces_between_special_tokens):
            return ByteDetokenizer(self._table, prepared)
        return self._by_vllm(prepared)

    def _by_vllm(self, prepared: EngineCoreRequest) -> IncrementalDetokenizer:
        return IncrementalDetokenizer.from_new_request(self._tokenizer, self._shorten(prepared))

    def _shorten(self, prepared: EngineCoreRequest) -> EngineCoreRequest:
        """Return the request with the end of its prompt, which is all that vLLM's detokeniser needs of it.

        It decodes the prompt that it gets, twice.
        """
        ids, params = prepared.prompt_token_ids or [], prepared.sampling_params
        if len(ids) <= PROMPT_TOKENS or params is None or not uses_fast_detokenizer(self._tokenizer):
            return prepared
        end = ids[-PROMPT_TOKENS:]
        text = self._tokenizer.backend_tokenizer.decode(end, skip_special_tokens=params.skip_special_tokens)
        if text.endswith("\ufffd"):
            return prepared  # the first bytes of a character may be before its end
        return msgspec.structs.replace(prepared, prompt_token_ids=end)

    def _token_texts(self, prepared: EngineCoreRequest) -> TokenTexts:
        return TokenTexts(self._by_vllm(prepared))

    @staticmethod
    def _has_looped(sequence: Sequence, raw: EngineCoreOutput) -> bool:
        """Return whether a resumed sequence repeats itself. vLLM cannot tell: to vLLM, part of the loop is prompt."""
        resumed, detokenizer = sequence.resumed, sequence.detokenizer
        assert resumed is not None and detokenizer is not None
        resumed.observe(raw.new_token_ids)
        params = resumed.prepared.sampling_params
        detection = None if params is None else params.repetition_detection
        return detection is not None and has_looped(detokenizer.output_token_ids, detection)

    def _convert_logprobs(self, sequence: Sequence, processor: LogprobsProcessor) -> None:
        """Convert the log probabilities of the new tokens, in the step that has brought them.

        Where an answer is sent whole, the step that ends it would else convert those of all its tokens at once.
        """
        if processor.logprobs is None or sequence.token_texts is None:
            return
        new = processor.logprobs[sequence.scored :]
        entries = [entry(position, processor.num_logprobs, sequence.silent_ids) for position in new]
        sequence.token_texts.fill(entries)
        self._bytes.add_to(entries)
        sequence.entries += entries
        # Only the tokens chosen: 22 objects of vLLM's for a position would make each garbage collection longer.
        context = processor.logprobs[-CONTEXT_POSITIONS:]
        processor.logprobs[:] = [dict.fromkeys(itertools.islice(position, 1)) for position in context]
        sequence.scored = len(processor.logprobs)

    def score_prompt(self, sequence: Sequence, raw: EngineCoreOutput) -> None:
        """Convert the log probabilities of the prompt, which `raw` has, and remove them from `raw`.

        A prompt may have thousands of tokens: that takes long, and may be done in another thread before `advance`.
        """
        processor, texts, silent = sequence.logprobs, sequence.prompt_texts, sequence.silent_ids
        tensors, raw.new_prompt_logprobs_tensors = raw.new_prompt_logprobs_tensors, None
        if processor is None or texts is None:
            return
        processor.update_from_output(EngineCoreOutput(raw.request_id, [], new_prompt_logprobs_tensors=tensors))
        tokenizer, ids, wanted = self._tokenizer, sequence.prompt_token_ids, processor.num_prompt_logprobs
        first = TokenLogprob(tokenizer.decode(ids[:1]), ids[0], None, silent=ids[0] in silent)
        scored = itertools.islice(processor.pop_prompt_logprobs() or (), 1, None)
        entries = [first, *(entry(position, wanted, silent) for position in scored)]
        texts.fill(entries, tokenizer.decode(ids, skip_special_tokens=bool(silent)))
        self._bytes.add_to(entries)
        sequence.prompt_entries = entries

    def _add_logprobs(self, sequence: Sequence, processor: LogprobsProcessor, output: Output) -> None:
        if processor.logprobs is not None and sequence.token_texts is not None:
            tokens = len(output.token_ids)
            output.logprobs, sequence.entries = sequence.entries[:tokens], sequence.entries[tokens:]
            output.cumulative_logprob = processor.cumulative_logprob
        output.prompt_logprobs, sequence.prompt_entries = sequence.prompt_entries, None


def _stack(rows: list[Row]) -> LogprobsLists:
    """Return the rows as vLLM's arrays: ids and log probabilities `[tokens, k+1]`, ranks `[tokens]`."""
    ids, logprobs, ranks = zip(*rows, strict=True)
    return LogprobsLists(np.stack(ids), np.stack(logprobs), np.array(ranks, dtype=np.int32))


def has_looped(token_ids: list[int], detection: RepetitionDetectionParams) -> bool:
    """Return whether the tokens end in a repeated pattern, by vLLM's own test."""
    return bool(check_sequence_repetition(token_ids, detection))
