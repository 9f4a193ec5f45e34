"""A simulated GPU that takes wall time but no CPU, so that a benchmark on few cores measures front ends only.

`--distributed-executor-backend bench.simulated_gpu.SimulatedGpu` makes vLLM's EngineCore use it, in Hearth and in
`vllm serve`. It loads no weights, generates one fixed token for every sequence at each step, and supports neither
structured outputs nor log probabilities. `HEARTH_SIMULATED_STEP` sets the time of a step: "8.0,15,6" is 8 ms, plus
15 us per sequence, plus 6 us per prompt token.
"""

import time
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from vllm.tasks import SupportedTask
from vllm.v1.core.sched.output import GrammarOutput, SchedulerOutput
from vllm.v1.executor.abstract import Executor
from vllm.v1.kv_cache_interface import FullAttentionSpec, KVCacheConfig
from vllm.v1.outputs import EMPTY_MODEL_RUNNER_OUTPUT, ModelRunnerOutput

from bench.step_time import StepTime

TOKEN_ID = 279
"""The token that is always generated: " the" in Llama 3's vocabulary."""
KV_CACHE_BYTES = 60 * 2**30
"""About the free memory of an 80 GB GPU that holds 8B parameters in bfloat16."""


class Computed(Future[Any]):
    """The result of a step, available when the step is over. `ready` is a time of `time.monotonic`."""

    def __init__(self, output: ModelRunnerOutput, ready: float) -> None:
        super().__init__()
        self._output, self._ready = output, ready

    def done(self) -> bool:
        return time.monotonic() >= self._ready

    def result(self, timeout: float | None = None) -> ModelRunnerOutput:
        time.sleep(max(0.0, self._ready - time.monotonic()))
        return self._output


class SimulatedGpu(Executor):  # type: ignore[misc]
    """An executor for vLLM that has no worker."""

    def _init_executor(self) -> None:
        # vLLM schedules the next step while a GPU computes this one. Its CPU build disables this.
        self.scheduler_config.async_scheduling = True
        self._step_time = StepTime.read()
        self._prompt_lengths: dict[str, int] = {}
        self._next_output = EMPTY_MODEL_RUNNER_OUTPUT
        self._next_seconds = 0.0
        self._ready = 0.0

    @classmethod
    def supports_async_scheduling(cls) -> bool:
        return True

    # ---- a step --------------------------------------------------------------------------------------------------

    def execute_model(self, scheduler_output: SchedulerOutput, non_block: bool = False) -> Any:
        """Prepare a step. `sample_tokens` returns its result."""
        for request_id in scheduler_output.finished_req_ids:
            self._prompt_lengths.pop(request_id, None)
        if not scheduler_output.num_scheduled_tokens:
            return _at_once(EMPTY_MODEL_RUNNER_OUTPUT) if non_block else EMPTY_MODEL_RUNNER_OUTPUT
        sampled, prompt_tokens = self._advance(scheduler_output)
        self._next_seconds = self._step_time.of(len(sampled), prompt_tokens)
        self._next_output = ModelRunnerOutput(
            req_ids=list(sampled),
            req_id_to_index={request_id: index for index, request_id in enumerate(sampled)},
            sampled_token_ids=list(sampled.values()),
        )
        return _at_once(None) if non_block else None

    def sample_tokens(self, grammar_output: GrammarOutput | None, non_block: bool = False) -> Any:
        """Return the result of the prepared step, available when this step and all before it are over."""
        self._ready = max(self._ready, time.monotonic()) + self._next_seconds
        computed = Computed(self._next_output, self._ready)
        return computed if non_block else computed.result()

    def _advance(self, scheduled: SchedulerOutput) -> tuple[dict[str, list[int]], int]:
        """Return the new tokens of every scheduled sequence, and how many prompt tokens the step computes (prefill)."""
        sampled: dict[str, list[int]] = {}
        prompt_tokens = 0
        cached = scheduled.scheduled_cached_reqs
        started = [(new.req_id, new.num_computed_tokens, 0) for new in scheduled.scheduled_new_reqs]
        self._prompt_lengths.update({new.req_id: new.prompt_len for new in scheduled.scheduled_new_reqs})
        continued = zip(cached.req_ids, cached.num_computed_tokens, cached.num_output_tokens, strict=True)
        for request_id, computed, output_tokens in (*started, *continued):
            tokens = scheduled.num_scheduled_tokens[request_id]
            known = self._prompt_lengths[request_id] + output_tokens
            sampled[request_id] = [TOKEN_ID] if computed + tokens >= known else []
            if tokens > 1 or computed + tokens < known or not output_tokens:
                prompt_tokens += tokens
        return sampled, prompt_tokens

    # ---- what else vLLM calls -------------------------------------------------------------------------------------

    def get_kv_cache_specs(self) -> list[dict[str, Any]]:
        spec = FullAttentionSpec(
            block_size=self.cache_config.block_size,
            num_kv_heads=self.model_config.get_num_kv_heads(self.parallel_config),
            head_size=self.model_config.get_head_size(),
            dtype=self.model_config.dtype,
        )
        layers = self.model_config.get_num_layers(self.parallel_config)
        return [{f"model.layers.{number}.self_attn.attn": spec for number in range(layers)}]

    def get_supported_kv_cache_layouts(self) -> list[list[str]]:
        return [["LBNHC"]]

    def set_kv_cache_layout(self, layout_name: str, *interleave: int) -> None:  # vLLM 0.33 passes `interleave`
        pass

    def determine_available_memory(self) -> list[int]:
        return [KV_CACHE_BYTES]

    def initialize_from_config(self, kv_cache_configs: list[KVCacheConfig]) -> None:
        pass

    def compile_or_warm_up_model(self) -> None:
        pass

    @property
    def supported_tasks(self) -> tuple[SupportedTask, ...]:
        return ("generate",)

    def execute_dummy_batch(self) -> None:
        time.sleep(self._step_time.base)

    def collective_rpc(
        self,
        method: str | Callable[..., Any],
        timeout: float | None = None,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
        non_block: bool = False,
    ) -> Any:
        """Return None for all other calls: there is no worker."""
        return _at_once([None]) if non_block else [None]

    def check_health(self) -> None:
        pass

    def shutdown(self) -> None:
        pass


def _at_once(value: Any) -> Future[Any]:
    future: Future[Any] = Future()
    future.set_result(value)
    return future
