"""A loaded model, over vLLM's EngineCore client.

`AsyncLLM`, vLLM's own class for this, has a queue and a task per request. Here one `step()` returns the outputs of one
engine step for ALL live sequences, and everything downstream keeps them together (docs/architecture.md has figures).
"""

import asyncio
import itertools
import logging
import time
from collections.abc import Collection, Iterable
from typing import Any

import msgspec
from vllm.config import VllmConfig
from vllm.inputs import EngineInput
from vllm.lora.request import LoRARequest
from vllm.pooling_params import PoolingParams
from vllm.renderers import BaseRenderer, renderer_from_config
from vllm.sampling_params import SamplingParams
from vllm.tokenizers.detokenizer_utils import get_leading_space_marker
from vllm.v1.engine import EngineCoreOutput, EngineCoreRequest, FinishReason
from vllm.v1.engine.core_client import AsyncMPClient, EngineCoreClient
from vllm.v1.engine.exceptions import EngineDeadError
from vllm.v1.engine.input_processor import InputProcessor
from vllm.v1.executor import Executor

from engine_proc.adapter.core_sockets import CoreSockets
from engine_proc.adapter.observing.records import Records
from engine_proc.adapter.observing.traces import PARENT
from engine_proc.adapter.outputs import EngineGone, Output, Stats
from engine_proc.adapter.refusals import client_errors
from engine_proc.adapter.resuming import Resumed
from engine_proc.adapter.sampling import of_candidate
from engine_proc.adapter.sequences import Sequence, Sequences
from engine_proc.adapter.shortcuts.checks import Proving
from schemas import wire
from schemas.errors import invalid

log = logging.getLogger("hearth.engine")

TURN_SECONDS = 0.01  # then the loop does other work before a step's next output: log probabilities take long

Prepared = EngineCoreRequest
"""A sequence that vLLM has checked and that can be submitted."""


class Engine:
    """A loaded model, for one asyncio loop.

    `prepare` and `submit` start sequences, `abort` ends them, and `step`, called in an endless loop, returns outputs.
    """

    def __init__(
        self, config: VllmConfig, served_names: list[str], adapters: dict[str, LoRARequest] | None = None
    ) -> None:
        """Load the model, and return when vLLM is ready.

        Must be called from a thread that outlives the engine (see `die_with_parent`).
        """
        self.config = config
        self.on_cpu: bool = config.device_config.device_type == "cpu"
        """Whether a step that computes uses this host's CPU time."""
        self.served_names = served_names
        self._adapters = adapters or {}
        self.renderer: BaseRenderer[Any] = renderer_from_config(config)
        self._inputs = InputProcessor(config, self.renderer)
        # Each request says whether the end tokens apply (add_default_stop), so sampling.py adds them, not vLLM.
        self.generation_config: dict[str, Any] = self._inputs.generation_config_fields
        self._inputs.generation_config_fields = {}
        proving = Proving(self.renderer, self.vocab_size)
        self._core: AsyncMPClient = EngineCoreClient.make_async_mp_client(
            vllm_config=config, executor_class=Executor.get_class(config), log_stats=True, renderer=self.renderer
        )
        CoreSockets.take_over(self._core)
        self.shortcuts = proving.result()
        # The first log probabilities would else read the whole tokenizer on the loop: 450 ms for Llama 3's vocabulary.
        get_leading_space_marker(self.renderer.get_tokenizer())
        self.sequences = Sequences(self.renderer.get_tokenizer(), self.shortcuts.table)
        self.embeds: bool = config.model_config.runner_type == "pooling"
        """Whether the model computes embeddings. Such a model generates no text."""
        self._tasks = ("embed",) if self.embeds else ("generate",)
        self._live: dict[str, Sequence] = {}
        self._restarted: dict[str, str] = {}
        """Keys of restarted sequences, by vLLM's current id of each."""
        self._keys = itertools.count()
        self._stats = Stats()
        self._records = Records(config)

    @property
    def max_model_len(self) -> int:
        """Size of the context, in tokens."""
        return int(self.config.model_config.max_model_len)

    @property
    def vocab_size(self) -> int:
        """Number of token ids."""
        return int(self.config.model_config.get_vocab_size())

    @property
    def model(self) -> str:
        """The path or name that the model was loaded from."""
        return str(self.config.model_config.model)

    @property
    def default_sampling(self) -> dict[str, Any]:
        """Sampling defaults that the model's generation config sets, by name: temperature, top_p, top_k, ..."""
        return dict(self.config.model_config.get_diff_sampling_param())

    @property
    def adapters(self) -> list[str]:
        """Names of the LoRA adapters that a sequence can use."""
        return list(self._adapters)

    @property
    def busy(self) -> bool:
        """Whether a sequence is live. If so, `step` is expected to return soon."""
        return bool(self._live)

    @property
    def stats(self) -> Stats:
        """State of vLLM's scheduler after the last step."""
        return self._stats if self._live else Stats()  # an idle vLLM sends no update

    @property
    def figures(self) -> wire.Stats:
        """Totals and latencies since the model was loaded."""
        return self._records.metrics.figures()

    def metrics(self) -> str:
        """Return vLLM's own metrics in Prometheus's text format."""
        if not self._live:
            self._records.metrics.idle()
        return self._records.metrics.text()

    def prepare(
        self, prompt: EngineInput, params: SamplingParams, priority: int = 0, adapter: str = "", trace: str = ""
    ) -> EngineCoreRequest:
        """Check a sequence without starting it, and return what `submit` takes.

        `adapter` is the name of a LoRA adapter, or empty; `trace` is the `traceparent` of the parent span, or empty.
        Raises `ApiError` (400) if vLLM refuses the sequence.
        """
        if priority and self.config.scheduler_config.policy != "priority":
            raise invalid("This engine does not run with `--scheduling-policy priority`.", "priority")
        lora = self._adapter(adapter)
        trace_headers = {PARENT: trace} if trace and self._records.traces.enabled else None
        with client_errors(None, ValueError):
            return self._inputs.process_inputs(
                str(next(self._keys)),
                prompt,
                params,
                self._tasks,
                lora_request=lora,
                trace_headers=trace_headers,
                priority=priority,
            )

    def candidate(self, prepared: EngineCoreRequest, number: int) -> EngineCoreRequest:
        """Return a prepared sequence for candidate `number` of its prompt: itself, or a copy with its own seed.

        vLLM's checks would find the same for each candidate, and cost as much as all other work on it.
        """
        if number == 0:
            return prepared
        assert prepared.sampling_params is not None
        params = of_candidate(prepared.sampling_params, number)
        return msgspec.structs.replace(prepared, request_id=str(next(self._keys)), sampling_params=params)

    def prepare_embedding(self, prompt: EngineInput, dimensions: int | None, adapter: str = "") -> EngineCoreRequest:
        """Check an embedding, to be submitted with `raw`: its one output has a `vector`.

        `dimensions` is the wanted length of the vector. None: the model's. Raises `ApiError` (400) as `prepare` does.
        """
        lora = self._adapter(adapter)
        params = PoolingParams(task="embed", dimensions=dimensions)
        with client_errors(None if dimensions is None else "dimensions", ValueError):
            return self._inputs.process_inputs(str(next(self._keys)), prompt, params, self._tasks, lora_request=lora)

    def _adapter(self, name: str) -> LoRARequest | None:
        """Return the adapter of this name. None: the name is empty. Raises `ApiError` (400) for an unknown name."""
        if name and name not in self._adapters:  # the engine before this one had the adapter
            raise invalid(f"There is no adapter {name!r}.", "model", "model_not_found")
        return self._adapters.get(name)

    def with_prompt(self, prepared: EngineCoreRequest, token_ids: list[int]) -> EngineCoreRequest:
        """Return a copy of a prepared sequence with another prompt.

        The prompt is not checked, which is cheaper than `prepare`: it must be valid and leave room in the context.
        """
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
        """Start a prepared sequence and return its key.

        `step` returns the outputs, the last with a finish reason. Without `stream` there is one output, at the end. A
        `raw` sequence is not detokenised: each step returns its token ids and, if log probabilities were requested, the
        `Distribution`. `sent` are tokens that another engine has already sent: the sequence resumes after them.
        Raises `EngineGone`.
        """
        sequence = self.sequences.begin(tag, prepared, stream, raw)
        key: str = prepared.request_id
        self._live[key] = sequence
        request = await asyncio.to_thread(self.sequences.resume, sequence, prepared, list(sent)) if sent else prepared
        try:
            await self._core.add_request_async(request)
        except EngineDeadError as error:
            raise EngineGone from error
        return key

    async def _restart(self, key: str, sequence: Sequence, resumed: Resumed) -> None:
        """Submit a resumed sequence once more, with the tokens generated since as part of the prompt.

        A token that was sent before and is generated again would else be charged the presence penalty twice.
        """
        assert sequence.detokenizer is not None
        await self._core.abort_requests_async([resumed.request_id])
        self._restarted.pop(resumed.request_id, None)
        resumed.request_id = str(next(self._keys))
        self._restarted[resumed.request_id] = key
        await self._core.add_request_async(resumed.remaining_request(list(sequence.detokenizer.output_token_ids)))

    async def abort(self, keys: Iterable[str]) -> None:
        """End these sequences: `step` returns no further output of them. Unknown keys are ignored."""
        known = [(key, self._live.pop(key)) for key in keys if key in self._live]
        request_ids = [self._release(key, sequence) for key, sequence in known]
        for request_id, (_, sequence) in zip(request_ids, known, strict=True):
            self._records.metrics.aborted(request_id, sequence.adapter)
        await self._core.abort_requests_async(request_ids)

    def generated(self, keys: Iterable[str]) -> int:
        """Return how many tokens each of the live sequences among `keys` has generated at least; 0 if there is none."""
        return min((self._live[key].stats.num_generation_tokens for key in keys if key in self._live), default=0)

    async def step(self) -> list[Output]:
        """Wait for the next engine step, and return an output for each sequence that has one.

        A sequence that raises an exception ends alone: its output is `failed`. Raises `EngineGone`.
        """
        try:
            step = await self._core.get_output_async()
        except EngineDeadError as error:
            raise EngineGone from error
        if (scheduler := step.scheduler_stats) is not None:
            self._stats = Stats(scheduler.num_running_reqs, scheduler.num_waiting_reqs, scheduler.kv_cache_usage)
        self._records.metrics.begin(step.timestamp, step.engine_index)
        outputs, stopped = list[Output](), list[str]()
        pause_at = time.perf_counter() + TURN_SECONDS
        for raw in step.outputs:
            if time.perf_counter() > pause_at:
                await asyncio.sleep(0)
                pause_at = time.perf_counter() + TURN_SECONDS
            key = self._restarted.get(raw.request_id, raw.request_id) if self._restarted else raw.request_id
            sequence = self._live.get(key)
            if sequence is None:
                continue  # aborted during the step
            if sequence.resumed is not None and sequence.resumed.request_id != raw.request_id:
                continue  # restarted during the step
            if raw.finish_reason == FinishReason.ABORT:
                raise EngineGone  # it was not asked to: an EngineCore does so when it ends, before its death is seen
            try:
                if raw.new_prompt_logprobs_tensors is not None and sequence.detokenizer is not None:
                    await asyncio.to_thread(self.sequences.score_prompt, sequence, raw)
                output = self._advance(key, sequence, raw, stopped) if key in self._live else None
                if sequence.resumed is not None and sequence.resumed.stale and key in self._live:
                    await self._restart(key, sequence, sequence.resumed)
            except EngineDeadError as error:
                raise EngineGone from error
            except Exception:
                log.exception("sequence %s fails on vLLM's output", key)
                output = self._fail(key, sequence, stopped)
            if output is not None:
                outputs.append(output)
        self._records.end(scheduler)
        if stopped:
            await self._core.abort_requests_async(stopped)
        return outputs

    def _advance(self, key: str, sequence: Sequence, raw: EngineCoreOutput, stopped: list[str]) -> Output | None:
        """Return the sequence's output of this step. None: there is nothing to send yet.

        vLLM's id of a sequence that the adapter ends, and vLLM does not, is added to `stopped`.
        """
        if raw.prefill_stats is not None and sequence.sent == 0:
            sequence.cached_tokens = raw.prefill_stats.num_cached_tokens
        self._records.output(sequence, raw)
        output, ended_here = self.sequences.advance(sequence, raw)
        if output is not None and output.finish_reason is not None:
            del self._live[key]
            self._release(key, sequence)
            self._records.ended(sequence, raw)
            if ended_here and not raw.finished:
                stopped.append(raw.request_id)
        return output

    def _fail(self, key: str, sequence: Sequence, stopped: list[str]) -> Output:
        """Forget a sequence that an exception has ended, and return its last output. `stopped` is as in `_advance`."""
        self._live.pop(key, None)
        stopped.append(self._release(key, sequence))
        self._records.failed(sequence, stopped[-1])
        return Output(sequence.tag, "", [], None, None, failed=True)

    def _release(self, key: str, sequence: Sequence) -> str:
        """Forget vLLM's id of the sequence `key`, and return this id."""
        if sequence.resumed is None:
            return key
        self._restarted.pop(sequence.resumed.request_id, None)
        return sequence.resumed.request_id

    def shutdown(self, timeout: float) -> None:
        """Stop vLLM's processes. Those still running after `timeout` seconds are killed."""
        self._core.shutdown(timeout=timeout)
        self.renderer.shutdown()
