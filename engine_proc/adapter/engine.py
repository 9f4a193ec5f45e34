"""A loaded model, over vLLM's EngineCore client.

`AsyncLLM`, vLLM's own class for this, has a queue and a task per request. Here one `step()` returns what one engine
step made for ALL live sequences, and everything downstream keeps that shape (docs/architecture.md has the figures).
"""

import itertools
import time
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from vllm.config import VllmConfig
from vllm.exceptions import VLLMClientError
from vllm.inputs import EngineInput
from vllm.lora.request import LoRARequest
from vllm.pooling_params import PoolingParams
from vllm.renderers import BaseRenderer, renderer_from_config
from vllm.sampling_params import SamplingParams
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.core_client import AsyncMPClient, EngineCoreClient
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.input_processor import InputProcessor
from vllm.v1.executor import Executor
from vllm.v1.metrics.stats import SchedulerStats

from engine_proc.adapter.observing.metrics import Metrics
from engine_proc.adapter.observing.traces import PARENT, Traces
from engine_proc.adapter.outputs import EngineGone, Output, Stats
from engine_proc.adapter.resuming import Resumed
from engine_proc.adapter.sequences import Sequence, Sequences
from schemas import wire
from schemas.errors import invalid

Prepared = EngineCoreRequest
"""A sequence that vLLM has checked."""


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
        self.sequences = Sequences(self.renderer.get_tokenizer())
        self.embeds: bool = config.model_config.runner_type == "pooling"
        """The model makes vectors, and no text."""
        self._tasks = ("embed",) if self.embeds else ("generate",)
        self._live: dict[str, Sequence] = {}
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

    def with_prompt(self, prepared: EngineCoreRequest, token_ids: list[int]) -> EngineCoreRequest:
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
        sent: Collection[int] = (),
    ) -> str:
        """Start a prepared sequence and return its key. Its outputs come from `step`, the last with a finish reason.

        Without `stream` there is one output, at the end. `raw` sequences are not detokenised: each step gives their
        token ids and, where log probabilities were asked for, the `Distribution`. After `sent`, what another engine
        has sent of the sequence, it goes on as if it had never stopped. Raises `EngineGone`.
        """
        sequence = self.sequences.begin(tag, prepared, stream, raw)
        key: str = prepared.request_id
        self._live[key] = sequence
        request = self.sequences.resume(sequence, prepared, list(sent)) if sent else prepared
        try:
            await self._core.add_request_async(request)
        except EngineDeadError as error:
            raise EngineGone from error
        return key

    async def _begin_anew(self, key: str, sequence: Sequence, resumed: Resumed) -> None:
        """So that the presence penalty of a token that has come again is not charged twice."""
        assert sequence.detokenizer is not None
        await self._core.abort_requests_async([resumed.request_id])
        self._renamed.pop(resumed.request_id, None)
        resumed.request_id = str(next(self._keys))
        self._renamed[resumed.request_id] = key
        await self._core.add_request_async(resumed.remaining_request(list(sequence.detokenizer.output_token_ids)))

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
            self._update_stats(step.scheduler_stats)
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
            output, ended_here = self.sequences.advance(sequence, raw)
            if output is not None:
                outputs.append(output)
                if output.finish_reason is not None:
                    del self._live[key]
                    self._forget_name(key, sequence)
                    self._record_end(sequence, raw)
                    if ended_here and not raw.finished:
                        stopped.append(raw.request_id)
                    continue
            if resumed is not None and resumed.stale:
                await self._begin_anew(key, sequence, resumed)
        self._metrics.end(step.scheduler_stats)
        if stopped:
            await self._core.abort_requests_async(stopped)
        return outputs

    def _update_stats(self, scheduler: SchedulerStats) -> None:
        self._stats = Stats(scheduler.num_running_reqs, scheduler.num_waiting_reqs, scheduler.kv_cache_usage)

    def _record_end(self, sequence: Sequence, raw: EngineCoreOutput) -> None:
        reason = FinishReason.STOP if raw.finish_reason is None else raw.finish_reason  # None: a stop string's
        prompt = len(sequence.prompt_token_ids)
        self._metrics.ended(
            sequence.stats, raw, reason, prompt, sequence.cached_tokens, sequence.max_tokens, sequence.adapter
        )
        if sequence.trace:
            self._traces.ended(sequence.trace, sequence.stats, prompt, sequence.max_tokens)

    def _forget_name(self, key: str, sequence: Sequence) -> str:
        """What vLLM calls the sequence that was submitted as `key`, for the last time."""
        if sequence.resumed is None:
            return key
        self._renamed.pop(sequence.resumed.request_id, None)
        return sequence.resumed.request_id

    def shutdown(self, timeout: float) -> None:
        """Stop vLLM's processes; those that do not end within `timeout` seconds are killed."""
        self._core.shutdown(timeout=timeout)
        self.renderer.shutdown()
