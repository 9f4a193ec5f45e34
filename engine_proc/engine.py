"""The one adapter to vLLM's engine classes.

It drives EngineCore's client directly and keeps vLLM's own incremental detokeniser and logprobs classes per sequence.
`AsyncLLM` would do the same with a queue and a task per request; here one `step()` brings what one engine step made
for ALL live sequences, and everything downstream keeps that shape (docs/architecture.md has the figures).
"""

import argparse
import itertools
import logging
import os
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import vllm
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError
from vllm.inputs import EngineInput
from vllm.lora.request import LoRARequest
from vllm.platforms import current_platform
from vllm.pooling_params import PoolingParams
from vllm.renderers import BaseRenderer, renderer_from_config
from vllm.sampling_params import RepetitionDetectionParams, SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.core.sched.utils import check_sequence_repetition
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.core_client import AsyncMPClient, EngineCoreClient
from vllm.v1.engine.detokenizer import (
    FastIncrementalDetokenizer,
    IncrementalDetokenizer,
    uses_fast_detokenizer,
)
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.input_processor import InputProcessor
from vllm.v1.engine.logprobs import LogprobsProcessor
from vllm.v1.executor import Executor
from vllm.v1.metrics.stats import SchedulerStats
from vllm.v1.outputs import LogprobsLists

from engine_proc import flags
from engine_proc.download import fetch_weights
from engine_proc.loading import OnStage
from engine_proc.logprobs import Pieces, entry, narrow
from engine_proc.metrics import Metrics, SequenceStats
from engine_proc.outputs import EngineGone, Output, Row, Stats
from engine_proc.processes import YIELD_VARIABLE
from engine_proc.resuming import Resumed
from engine_proc.traces import PARENT, Traces, endpoint
from schemas import wire
from schemas.errors import invalid
from schemas.wire import TokenLogprob

log = logging.getLogger("hearth.engine")

VLLM_VERSION: str = vllm.__version__

Prepared = EngineCoreRequest
"""A sequence that vLLM has checked."""


SPACED = "spaced"
"""Among a sequence's `extra_args`: put spaces between special tokens even where the tokenizer does not."""


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


@dataclass(slots=True)
class _Sequence:
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


class Engine:
    """A loaded model. `prepare`, `submit` and `abort` sequences; call `step` for ever. For one asyncio loop."""

    def __init__(
        self, config: VllmConfig, served_names: list[str], adapters: dict[str, LoRARequest] | None = None
    ) -> None:
        """Blocks until the model is loaded. The thread must outlive the engine (see `die_with_parent`)."""
        self.config = config
        self.served_names = served_names
        self._adapters = adapters or {}
        self.renderer: BaseRenderer[Any] = renderer_from_config(config)
        self._inputs = InputProcessor(config, self.renderer)
        # Which end tokens apply is a field of each request (add_default_stop), so sampling.py adds them.
        self.generation_config: dict[str, Any] = self._inputs.generation_config_fields
        self._inputs.generation_config_fields = {}
        self._core: AsyncMPClient = EngineCoreClient.make_async_mp_client(
            vllm_config=config, executor_class=Executor.get_class(config), log_stats=True, renderer=self.renderer
        )
        self.silent_stop_ids: frozenset[int] = frozenset()
        """End tokens that are no news: they are not reported as a stop reason."""
        self.embeds: bool = config.model_config.runner_type == "pooling"
        """The model makes vectors, and no text."""
        self._tasks = ("embed",) if self.embeds else ("generate",)
        self._special_ids = _special_ids(self.renderer.get_tokenizer())
        self._live: dict[str, _Sequence] = {}
        self._renamed: dict[str, str] = {}
        """Keys by vLLM's names, of sequences that were begun anew."""
        self._keys = itertools.count()
        self._stats = Stats()
        self._metrics = Metrics(config)
        self._traces = Traces(config.observability_config.otlp_traces_endpoint)

    @property
    def max_model_len(self) -> int:
        length: int = self.config.model_config.max_model_len
        return length

    @property
    def vocab_size(self) -> int:
        size: int = self.config.model_config.get_vocab_size()
        return size

    @property
    def model(self) -> str:
        """The path or name that the model was loaded from."""
        return str(self.config.model_config.model)

    @property
    def default_sampling(self) -> dict[str, Any]:
        """Sampling defaults that the model's generation config sets: temperature, top_p, top_k, ..."""
        return dict(self.config.model_config.get_diff_sampling_param())

    @property
    def adapters(self) -> list[str]:
        """Names of the LoRA adapters that a sequence may be generated with."""
        return list(self._adapters)

    @property
    def busy(self) -> bool:
        """Some sequence has not ended: the next `step` should not be long."""
        return bool(self._live)

    @property
    def stats(self) -> Stats:
        return self._stats if self._live else Stats()  # vLLM sends none once it is idle

    @property
    def figures(self) -> wire.Stats:
        """What the engine has done since it was loaded."""
        return self._metrics.figures()

    def metrics(self) -> str:
        """vLLM's own, in Prometheus's text format."""
        if not self._live:
            self._metrics.idle()
        return self._metrics.text()

    def prepare(
        self, prompt: EngineInput, params: SamplingParams, priority: int = 0, adapter: str = "", trace: str = ""
    ) -> EngineCoreRequest:
        """Have vLLM check a sequence without starting it. Raises `ApiError` (400) where vLLM refuses it."""
        if priority and self.config.scheduler_config.policy != "priority":
            raise invalid("This engine does not run with `--scheduling-policy priority`.", "priority")
        lora = self._adapter(adapter)
        traced = {PARENT: trace} if trace and self._traces.wanted else None
        try:
            return self._inputs.process_inputs(
                str(next(self._keys)),
                prompt,
                params,
                self._tasks,
                lora_request=lora,
                trace_headers=traced,
                priority=priority,
            )
        except VLLMClientError as error:
            raise invalid(str(error), getattr(error, "parameter", None)) from error
        except ValueError as error:
            raise invalid(str(error)) from error

    def prepare_embedding(self, prompt: EngineInput, dimensions: int | None, adapter: str = "") -> EngineCoreRequest:
        """As `prepare`. To be submitted with `raw`: its one output has a `vector`."""
        lora = self._adapter(adapter)
        params = PoolingParams(task="embed", dimensions=dimensions)
        try:
            return self._inputs.process_inputs(str(next(self._keys)), prompt, params, self._tasks, lora_request=lora)
        except (VLLMClientError, ValueError) as error:
            raise invalid(str(error), None if dimensions is None else "dimensions") from error

    def _adapter(self, name: str) -> LoRARequest | None:
        if name and name not in self._adapters:  # another engine had it, before this one took its place
            raise invalid(f"There is no adapter {name!r}.", "model", "model_not_found")
        return self._adapters.get(name)

    def again(self, prepared: EngineCoreRequest, token_ids: list[int]) -> EngineCoreRequest:
        """A prepared sequence anew, after another prompt that leaves it as much room: unchecked, and so cheaper."""
        return msgspec.structs.replace(
            prepared, request_id=str(next(self._keys)), prompt_token_ids=token_ids, arrival_time=time.time()
        )

    async def submit(
        self,
        tag: Any,
        prepared: EngineCoreRequest,
        *,
        stream: bool = False,
        raw: bool = False,
        sent: Sequence[int] = (),
    ) -> str:
        """Start a prepared sequence and return its key. Its outputs come from `step`, the last with a finish reason.

        Without `stream` there is one output, at the end. `raw` sequences are not detokenised: each step gives their
        token ids and, where log probabilities were asked for, the `Distribution`. After `sent`, what another engine
        has sent of the sequence, it goes on as if it had never stopped. Raises `EngineGone`.
        """
        sequence = self._sequence(tag, prepared, stream, raw)
        key: str = prepared.request_id
        self._live[key] = sequence
        request = self._go_on(sequence, prepared, list(sent)) if sent else prepared
        try:
            await self._core.add_request_async(request)
        except EngineDeadError as error:
            raise EngineGone from error
        return key

    def _go_on(self, sequence: _Sequence, prepared: EngineCoreRequest, sent: list[int]) -> EngineCoreRequest:
        """Bring `sequence` to where `sent` leaves it, and return the request for the rest."""
        assert sequence.detokenizer is not None
        sequence.detokenizer.update(sent, False)
        sequence.detokenizer.get_next_output_text(False, delta=True)  # the client has it
        if sequence.pieces is not None:
            sequence.pieces.skip(sent)
        sequence.sent = len(sent)
        sequence.resumed = Resumed(prepared, len(sent), prepared.request_id)
        request: EngineCoreRequest = sequence.resumed.rest(sent)
        return request

    async def _begin_anew(self, key: str, sequence: _Sequence, resumed: Resumed) -> None:
        """So that the presence penalty of a token that has come again is not charged twice."""
        assert sequence.detokenizer is not None
        await self._core.abort_requests_async([resumed.request_id])
        self._renamed.pop(resumed.request_id, None)
        resumed.request_id = str(next(self._keys))
        self._renamed[resumed.request_id] = key
        await self._core.add_request_async(resumed.rest(list(sequence.detokenizer.output_token_ids)))

    def _sequence(self, tag: Any, prepared: EngineCoreRequest, stream: bool, raw: bool) -> _Sequence:
        params = prepared.sampling_params
        sequence = _Sequence(
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
            sequence.logprobs = LogprobsProcessor.from_new_request(self.renderer.tokenizer, prepared)
            sequence.pieces = self._pieces(prepared)
        if params.prompt_logprobs is not None:
            sequence.prompt_pieces = self._pieces(self.again(prepared, []))
        return sequence

    def _detokenizer(self, prepared: EngineCoreRequest) -> IncrementalDetokenizer:
        params, tokenizer = prepared.sampling_params, self.renderer.tokenizer
        spaced = params is not None and SPACED in (params.extra_args or ()) and not params.skip_special_tokens
        if spaced and uses_fast_detokenizer(tokenizer):
            return _SpacedDetokenizer(tokenizer, prepared)
        return IncrementalDetokenizer.from_new_request(tokenizer, prepared)

    def _pieces(self, prepared: EngineCoreRequest) -> Pieces:
        return Pieces(IncrementalDetokenizer.from_new_request(self.renderer.tokenizer, prepared))

    def replay(self, prepared: EngineCoreRequest, sent: list[int]) -> Iterator[Output]:
        """What the engine that has sent these tokens must have reported of them, piece by piece."""
        sequence = self._sequence(None, prepared, stream=True, raw=False)
        sequence.logprobs = None
        for token_id in sent:
            raw = EngineCoreOutput(request_id=prepared.request_id, new_token_ids=[token_id])
            output, _ = self._advance(sequence, raw)
            if output is not None:
                yield output

    def retell(
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
        output, _ = self._advance(self._sequence(None, prepared, stream=False, raw=False), raw)
        return output or Output(None, "", token_ids, None, None)

    async def abort(self, keys: Iterable[str]) -> None:
        """Forget these sequences; no further output of theirs is reported. Unknown keys are ignored."""
        known = [(key, self._live.pop(key)) for key in keys if key in self._live]
        names = [self._forget_name(key, sequence) for key, sequence in known]
        for name, (_, sequence) in zip(names, known, strict=True):
            self._metrics.aborted(name, sequence.adapter)
        await self._core.abort_requests_async(names)

    async def step(self) -> list[Output]:
        """Wait for the next engine step and return what it made. Raises `EngineGone`."""
        try:
            step = await self._core.get_output_async()
        except EngineDeadError as error:
            raise EngineGone from error
        if step.scheduler_stats is not None:
            self._note_stats(step.scheduler_stats)
        self._metrics.begin(step.timestamp, step.engine_index)
        outputs: list[Output] = []
        stopped: list[str] = []
        for raw in step.outputs:
            key = self._renamed.get(raw.request_id, raw.request_id) if self._renamed else raw.request_id
            sequence = self._live.get(key)
            if sequence is None:
                continue  # aborted meanwhile
            resumed = sequence.resumed
            if resumed is not None and resumed.request_id != raw.request_id:
                continue  # begun anew meanwhile
            if raw.prefill_stats is not None and sequence.sent == 0:
                sequence.cached_tokens = raw.prefill_stats.num_cached_tokens
            self._metrics.output(sequence.stats, raw, sequence.adapter)
            output, ended_here = self._advance(sequence, raw)
            if output is not None:
                outputs.append(output)
                if output.finish_reason is not None:
                    del self._live[key]
                    self._forget_name(key, sequence)
                    self._note_end(sequence, raw)
                    if ended_here and not raw.finished:
                        stopped.append(raw.request_id)
                    continue
            if resumed is not None and resumed.stale:
                await self._begin_anew(key, sequence, resumed)
        self._metrics.end(step.scheduler_stats)
        if stopped:
            await self._core.abort_requests_async(stopped)
        return outputs

    def _note_stats(self, scheduler: SchedulerStats) -> None:
        self._stats = Stats(scheduler.num_running_reqs, scheduler.num_waiting_reqs, scheduler.kv_cache_usage)

    def _note_end(self, sequence: _Sequence, raw: EngineCoreOutput) -> None:
        reason = FinishReason.STOP if raw.finish_reason is None else raw.finish_reason  # None: a stop string's
        prompt = len(sequence.prompt_token_ids)
        self._metrics.ended(
            sequence.stats, raw, reason, prompt, sequence.cached_tokens, sequence.max_tokens, sequence.adapter
        )
        if sequence.trace:
            self._traces.ended(sequence.trace, sequence.stats, prompt, sequence.max_tokens)

    def _forget_name(self, key: str, sequence: _Sequence) -> str:
        """What vLLM calls the sequence that was submitted as `key`, for the last time."""
        if sequence.resumed is None:
            return key
        self._renamed.pop(sequence.resumed.request_id, None)
        return sequence.resumed.request_id

    def _advance(self, sequence: _Sequence, raw: EngineCoreOutput) -> tuple[Output | None, bool]:
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
        looped = sequence.resumed is not None and finish_reason is None and self._note_resumed(sequence, raw)
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

    @staticmethod
    def _note_resumed(sequence: _Sequence, raw: EngineCoreOutput) -> bool:
        """Whether the sequence has fallen into a loop, of which vLLM sees only the end."""
        resumed, detokenizer = sequence.resumed, sequence.detokenizer
        assert resumed is not None and detokenizer is not None
        resumed.note(raw.new_token_ids)
        params = resumed.prepared.sampling_params
        detection = None if params is None else params.repetition_detection
        return detection is not None and has_looped(detokenizer.output_token_ids, detection)

    def _add_logprobs(self, sequence: _Sequence, processor: LogprobsProcessor, output: Output) -> None:
        silent = sequence.silent_ids
        if processor.logprobs is not None and sequence.pieces is not None:
            first = sequence.sent - (sequence.resumed.tokens if sequence.resumed is not None else 0)
            new = itertools.islice(processor.logprobs, first, first + len(output.token_ids))
            output.logprobs = [entry(position, processor.num_logprobs, silent) for position in new]
            sequence.pieces.name(output.logprobs)
            output.cumulative_logprob = processor.cumulative_logprob
        if sequence.sent == 0 and processor.prompt_logprobs is not None and sequence.prompt_pieces is not None:
            tokenizer, ids = self.renderer.get_tokenizer(), sequence.prompt_token_ids
            wanted = processor.num_prompt_logprobs
            rest = [entry(position, wanted, silent) for position in processor.prompt_logprobs[1:]]
            beginning = TokenLogprob(tokenizer.decode(ids[:1]), ids[0], None, silent=ids[0] in silent)
            output.prompt_logprobs = [beginning, *rest]
            text = tokenizer.decode(ids, skip_special_tokens=bool(silent))
            sequence.prompt_pieces.name(output.prompt_logprobs, text)

    def shutdown(self, timeout: float) -> None:
        """Stop vLLM's processes; those that do not end within `timeout` seconds are killed."""
        self._core.shutdown(timeout=timeout)
        self.renderer.shutdown()


def _special_ids(tokenizer: Any) -> frozenset[int]:
    """Not `all_special_ids`, which has only those with a role (bos, eos, pad)."""
    return frozenset(token_id for token_id, token in tokenizer.added_tokens_decoder.items() if token.special)


def _stack(rows: list[Row]) -> LogprobsLists:
    ids, logprobs, ranks = zip(*rows, strict=True)
    return LogprobsLists(np.stack(ids), np.stack(logprobs), np.array(ranks, dtype=np.int32))


def has_looped(token_ids: list[int], detection: RepetitionDetectionParams) -> bool:
    """vLLM's own test of a sequence that has fallen into a loop."""
    return bool(check_sequence_repetition(token_ids, detection))


def make_parser() -> FlexibleArgumentParser:
    """Of vLLM's own flags."""
    parser = FlexibleArgumentParser(
        prog="python -m engine_proc serve", description="Every vLLM engine flag is accepted.", add_help=False
    )
    AsyncEngineArgs.add_cli_args(parser)
    flags.ServingFlags.add_cli_args(parser)
    return parser


def parse_args(argv: list[str]) -> argparse.Namespace:
    """Exits with status 2, a usage line and a sentence where a flag is wrong."""
    parser = make_parser()
    parser.add_argument("--help", "-h", action="help", help="show this help message and exit")
    args: argparse.Namespace = parser.parse_args(argv)
    problem = flags.missing_adapter(args)
    if problem is not None:
        parser.error(problem)
    return args


def load(args: argparse.Namespace, on_stage: OnStage) -> Engine:
    """Load the model that `args` name."""
    on_stage("reading the model's configuration")
    if args.enforce_eager and current_platform.is_cpu():
        # vLLM compiles some small operations (logprobs) even so, at the first request that needs them: tens of
        # seconds, and a C++ compiler that the host may not have. The processes it starts inherit this.
        os.environ.setdefault("TORCHDYNAMO_DISABLE", "1")
    if current_platform.is_cpu():  # its workers take the cores that the web tier needs too
        os.environ.setdefault(YIELD_VARIABLE, "0.0002")
    engine_args = AsyncEngineArgs.from_cli_args(args)
    engine_args.otlp_traces_endpoint = engine_args.otlp_traces_endpoint or endpoint()
    engine_args.max_logprobs = -1  # clients are held to 20 by the schema; beam search may need them all
    if engine_args.structured_outputs_config.backend == "auto":
        # vLLM would keep, for all requests, the one that the first of them chose.
        engine_args.structured_outputs_config.backend = "xgrammar"
    if engine_args.structured_outputs_config.backend in ("xgrammar", "guidance"):
        # Else JSON may have whitespace without end, which small models write until their limit.
        engine_args.structured_outputs_config.disable_any_whitespace = True
    config = engine_args.create_engine_config(UsageContext.API_SERVER)
    fetch_weights(config, lambda come, of: on_stage(f"downloading {args.model} ({of / 1e9:.2f} GB)", come / of))
    on_stage(f"loading {Path(args.model).name} and warming it up")
    # vLLM's configuration keeps the first of several names alone.
    names = args.served_model_name or [config.model_config.served_model_name]
    return Engine(config, names, flags.adapters(args))
