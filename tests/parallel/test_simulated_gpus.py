"""Two simulated GPUs below vLLM's EngineCores: both work, and a step takes wall time and nothing else."""

import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from bench import llama3
from bench.step_time import STEP_VARIABLE
from tests.harness import Hearth, chat_body, serving

pytestmark = pytest.mark.engine("simulated")
FLAGS = "--data-parallel-size 2 --distributed-executor-backend bench.simulated_gpu.SimulatedGpu --max-model-len 8192"
STEP_SECONDS = 0.02
GENERATED = re.compile(r'^vllm:generation_tokens_total\{engine="\d",.*\} ([0-9.]+)$', re.MULTILINE)


@pytest.fixture(scope="module")
def simulated(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    model = str(llama3.configuration_8b())
    environment = {"HEARTH_MODEL": model, "HEARTH_ENGINE_ARGS": FLAGS, STEP_VARIABLE: f"{STEP_SECONDS * 1e3},0,0"}
    with serving(tmp_path_factory.mktemp("simulated"), ready=True, key="none", **environment) as stack:
        yield stack


def test_a_model_without_weights_answers(simulated: Hearth) -> None:
    assert simulated.chat("Hello", max_tokens=5, ignore_eos=True) == " the the the the the"


def test_a_token_takes_a_step(simulated: Hearth) -> None:
    began = time.monotonic()
    simulated.chat("Hello", max_tokens=50, ignore_eos=True)
    assert time.monotonic() - began >= 50 * STEP_SECONDS


def test_both_engines_work(simulated: Hearth) -> None:
    body = chat_body("Hello", ignore_eos=True, max_tokens=40)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: simulated.post("/v1/chat/completions", body), range(16)))
    assert {reply.json()["usage"]["completion_tokens"] for reply in replies} == {40}
    one, other = (float(tokens) for tokens in GENERATED.findall(simulated.get("/metrics").text))
    assert min(one, other) >= 4 * 40
