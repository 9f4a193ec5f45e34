"""The one adapter to vLLM's engine classes.

It drives EngineCore's client directly and keeps vLLM's own incremental detokeniser and logprobs classes per sequence.
`AsyncLLM` would do the same with a queue and a task per request; here one `step()` brings what one engine step made
for ALL live sequences, and everything downstream keeps that shape (docs/architecture.md has the figures).
"""

import argparse
import itertools
import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import vllm
from vllm.config import VllmConfig
from vllm.engine.arg_utils import AsyncEngineArgs
from vllm.exceptions import VLLMClientError
from vllm.inputs import EngineInput
from vllm.renderers import BaseRenderer, renderer_from_config
from vllm.sampling_params import SamplingParams
from vllm.usage.usage_lib import UsageContext
from vllm.utils.argparse_utils import FlexibleArgumentParser
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.core_client import AsyncMPClient, EngineCoreClient
from vllm.v1.engine.detokenizer import IncrementalDetokenizer
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.input_processor import InputProcessor
from vllm.v1.engine.logprobs import LogprobsProcessor
from vllm.v1.executor import Executor

from schemas.errors import invalid
from schemas.wire import TokenLogprob

log = logging.getLogger("hearth.engine")

VLLM_VERSION: str = vllm.__version__


class EngineGone(Exception):
    """EngineCore or one of its workers has died; this adapter can do no more."""


@dataclass(slots=True)
class Output:
    """What one sequence has gained. `tag` is what `submit` was given."""

    tag: Any
    text: str
    token_ids: list[int]
    finish_reason: str | None
    stop_reason: str | int | None
    logprobs: list[TokenLogprob] | None


@dataclass(slots=True)
class Stats:
    """vLLM's scheduler, as of its last step."""

    running: int = 0
    waiting: int = 0
    kv_cache_usage: float = 0.0


@dataclass(slots=True)
class _Sequence:
    tag: Any
    stream: bool
    detokenizer: IncrementalDetokenizer
    logprobs: LogprobsProcessor | None
    sent: int = field(default=0)
    """Tokens already reported."""


class Engine:
    """A loaded model. `prepare`, `submit` and `abort` sequences; call `step` for ever. For one asyncio loop."""

    def __init__(self, config: VllmConfig) -> None:
        """Blocks until the model is loaded. The thread must outlive the engine (see `die_with_parent`)."""
        self.config = config
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
        self._tasks = ("generate",)
        self._live: dict[str, _Sequence] = {}
        self._keys = itertools.count()
        self._stats = Stats()

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
    def served_names(self) -> list[str]:
        names = self.config.model_config.served_model_name
        return [names] if isinstance(names, str) else list(names)

    @property
    def default_sampling(self) -> dict[str, Any]:
        """Sampling defaults that the model's generation config sets: temperature, top_p, top_k, ..."""
        return dict(self.config.model_config.get_diff_sampling_param())

    @property
    def stats(self) -> Stats:
        return self._stats if self._live else Stats()  # vLLM sends none once it is idle

    def prepare(self, prompt: EngineInput, params: SamplingParams) -> EngineCoreRequest:
        """Have vLLM check a sequence without starting it. Raises `ApiError` (400) where vLLM refuses it."""
        try:
            return self._inputs.process_inputs(str(next(self._keys)), prompt, params, self._tasks)
        except VLLMClientError as error:
            raise invalid(str(error), getattr(error, "parameter", None)) from error
        except ValueError as error:
            raise invalid(str(error)) from error

    async def submit(self, tag: Any, prepared: EngineCoreRequest, *, stream: bool) -> str:
        """Start a prepared sequence and return its key. Its outputs come from `step`, the last with a finish reason.

        Without `stream` there is one output, at the end. Raises `EngineGone`.
        """
        params = prepared.sampling_params
        assert params is not None
        tokenizer = self.renderer.tokenizer
        self._live[prepared.request_id] = _Sequence(
            tag=tag,
            stream=stream,
            detokenizer=IncrementalDetokenizer.from_new_request(tokenizer, prepared),
            logprobs=None if params.logprobs is None else LogprobsProcessor.from_new_request(tokenizer, prepared),
        )
        try:
            await self._core.add_request_async(prepared)
        except EngineDeadError as error:
            raise EngineGone from error
        key: str = prepared.request_id
        return key

    async def abort(self, keys: Iterable[str]) -> None:
        """Forget these sequences; no further output of theirs is reported. Unknown keys are ignored."""
        known = [key for key in keys if self._live.pop(key, None) is not None]
        await self._core.abort_requests_async(known)

    async def step(self) -> list[Output]:
        """Wait for the next engine step and return what it made. Raises `EngineGone`."""
        try:
            step = await self._core.get_output_async()
        except EngineDeadError as error:
            raise EngineGone from error
        if step.scheduler_stats is not None:
            scheduler = step.scheduler_stats
            self._stats = Stats(scheduler.num_running_reqs, scheduler.num_waiting_reqs, scheduler.kv_cache_usage)
        outputs: list[Output] = []
        stopped: list[str] = []
        for raw in step.outputs:
            sequence = self._live.get(raw.request_id)
            if sequence is None:
                continue  # aborted meanwhile
            output, stop_string_found = self._advance(sequence, raw)
            if output is not None:
                outputs.append(output)
                if output.finish_reason is not None:
                    del self._live[raw.request_id]
                    if stop_string_found and not raw.finished:
                        stopped.append(raw.request_id)
        if stopped:
            await self._core.abort_requests_async(stopped)
        return outputs

    def _advance(self, sequence: _Sequence, raw: EngineCoreOutput) -> tuple[Output | None, bool]:
        """Detokenise `raw`. Returns what there is to report, if anything, and whether a stop string ended it."""
        detokenizer = sequence.detokenizer
        finish_reason, stop_reason = raw.finish_reason, raw.stop_reason
        stop_string = detokenizer.update(raw.new_token_ids, finish_reason is FinishReason.STOP)
        if stop_string is not None:
            finish_reason, stop_reason = FinishReason.STOP, stop_string
        if sequence.logprobs is not None:
            sequence.logprobs.update_from_output(raw)
        finished = finish_reason is not None
        if not finished and not sequence.stream:
            return None, False
        text = detokenizer.get_next_output_text(finished, delta=True)
        if not finished and not text:
            return None, False  # part of a character or of a stop string: the tokens go with the next text
        token_ids = detokenizer.output_token_ids[sequence.sent :]
        entries = None
        if sequence.logprobs is not None:
            entries = _logprobs(sequence.logprobs, sequence.sent, sequence.sent + len(token_ids))
        sequence.sent += len(token_ids)
        if finish_reason is FinishReason.REPETITION:
            finish_reason, stop_reason = FinishReason.STOP, "repetition"
        if stop_reason in self.silent_stop_ids:
            stop_reason = None
        reason = None if finish_reason is None else str(finish_reason)
        return Output(sequence.tag, text, token_ids, reason, stop_reason, entries), stop_string is not None

    def shutdown(self, timeout: float) -> None:
        """Stop vLLM's processes; those that do not end within `timeout` seconds are killed."""
        self._core.shutdown(timeout=timeout)
        self.renderer.shutdown()


def _logprobs(processor: LogprobsProcessor, start: int, end: int) -> list[TokenLogprob]:
    """Tokens [start, end) of the sequence. vLLM's dict per position has the chosen token first."""
    entries = []
    for position in itertools.islice(processor.logprobs or (), start, end):
        token_id, chosen = next(iter(position.items()))
        ranked = sorted(
            (entry for entry in position.items() if entry[1].rank <= (processor.num_logprobs or 0)),
            key=lambda entry: entry[1].rank,
        )
        top = [(entry.decoded_token or "", other_id, entry.logprob) for other_id, entry in ranked]
        entries.append(TokenLogprob(chosen.decoded_token or "", token_id, chosen.logprob, top))
    return entries


def parse_args(argv: list[str]) -> argparse.Namespace:
    """vLLM's own flags. Exits with status 2 and a usage line where one is wrong."""
    parser = FlexibleArgumentParser(
        prog="python -m engine_proc serve", description="Every vLLM engine flag is accepted."
    )
    AsyncEngineArgs.add_cli_args(parser)
    args: argparse.Namespace = parser.parse_args(argv)
    return args


def load(args: argparse.Namespace, on_stage: Callable[[str], None]) -> Engine:
    """Load the model that `args` name. `on_stage` hears what is being done, in words."""
    on_stage("reading the model's configuration")
    engine_args = AsyncEngineArgs.from_cli_args(args)
    config = engine_args.create_engine_config(UsageContext.API_SERVER)
    on_stage(f"loading {Path(args.model).name} and warming it up")
    return Engine(config)
