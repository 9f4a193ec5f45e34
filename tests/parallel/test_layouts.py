"""Tensor, pipeline and data parallelism of vLLM behind a Hearth: answers, figures, and the death of one process."""

import json
import re
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psutil
import pytest

from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests.e2e.mixture import Mixture
from tests.harness import Hearth, chat_body
from tests.parallel.layouts import Layout
from webapp.engine.questions import CACHE_SECONDS

# A layout has two or three processes to start, and to start again.
pytestmark = [pytest.mark.timeout(600), pytest.mark.engine("spread")]
SEED = PROJECT_ROOT / "tests" / "seed"
GENERATED = re.compile(r'^vllm:generation_tokens_total\{engine="(\d)",.*\} ([0-9.]+)$', re.MULTILINE)


def seed(name: str) -> dict[str, Any]:
    body: dict[str, Any] = json.loads((SEED / f"{name}.json").read_text())
    return body


def vllm_processes(hearth: Hearth) -> list[tuple[str, psutil.Process]]:
    """vLLM's processes with their titles."""
    children = psutil.Process(hearth.welcome().pid).children(recursive=True)
    titles = [((child.cmdline() or [""])[0], child) for child in children]
    return [(title, child) for title, child in titles if title.startswith("VLLM::")]


def generated_tokens(hearth: Hearth) -> dict[str, float]:
    """By engine, as `/metrics` has it."""
    return {engine: float(tokens) for engine, tokens in GENERATED.findall(hearth.get("/metrics").text)}


def test_the_model_is_spread_over_processes(hearth: Hearth, layout: Layout) -> None:
    assert tuple(sorted(title for title, _ in vllm_processes(hearth))) == layout.processes
    assert "Hearth" in hearth.chat("Who are you?")


def answers_the_seed(hearth: Hearth) -> None:
    """Check that both of the seed's bodies are answered."""
    response = hearth.post("/v1/chat/completions", seed("chat_request"))
    assert response.status_code == 200, response.text
    with hearth.stream("/v1/completions", seed("completion_request")) as response:
        assert response.status_code == 200, response.read()
        *events, done = (line.removeprefix("data: ") for line in response.iter_lines() if line)
    assert done == "[DONE]"
    assert {json.loads(event)["choices"][0]["index"] for event in events} == set(range(5))


def test_the_seeds_bodies_are_answered(hearth: Hearth) -> None:
    answers_the_seed(hearth)


def test_every_engine_works_and_is_counted(hearth: Hearth, layout: Layout) -> None:
    before = generated_tokens(hearth)
    body = chat_body("Count from 1 to 100.", ignore_eos=True, max_tokens=40)
    with ThreadPoolExecutor(16) as pool:
        replies = list(pool.map(lambda _: hearth.post("/v1/chat/completions", body), range(16)))
    assert {reply.status_code for reply in replies} == {200}
    time.sleep(CACHE_SECONDS)  # a fast machine has answered all before the figures are asked for anew
    after = generated_tokens(hearth)
    assert len(after) == sum(title.startswith("VLLM::EngineCore") for title in layout.processes)
    assert sum(after.values()) - sum(before.values()) == 16 * 40
    assert all(after[engine] - before.get(engine, 0) >= 4 * 40 for engine in after)


def test_a_killed_process_loses_no_request(hearth: Hearth, layout: Layout) -> None:
    def kill(_: wire.Welcome) -> None:
        dict(vllm_processes(hearth))[layout.victim].kill()

    Mixture(hearth).outlives(kill)
    assert tuple(sorted(title for title, _ in vllm_processes(hearth))) == layout.processes
