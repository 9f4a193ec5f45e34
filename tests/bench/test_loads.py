"""The loads of the benchmark: what their requests are, and that all of them fit into half an hour."""

import json
from typing import Any

import pytest
from tokenizers import Tokenizer

from bench.beds import bed
from bench.loads import CPU_LOADS, GPU_LOADS, Load
from bench.run import ONCE, Plan
from bench.targets import PEERS, ratios
from schemas.requests.chat import ChatCompletionSchema
from tests.engine_proc.helpers import MODEL

LIMIT_MINUTES = 25


def load(name: str) -> Load:
    (found,) = (load for load in GPU_LOADS if load.name == name)
    return found


def tokens(body: bytes) -> int:
    tokenizer = Tokenizer.from_file(f"{MODEL}/tokenizer.json")
    contents = [message["content"] or "" for message in json.loads(body)["messages"]]
    return len(tokenizer.encode("".join(contents)).ids)


@pytest.mark.parametrize("loads", [GPU_LOADS, CPU_LOADS], ids=["gpu", "cpu"])
def test_names_are_unique(loads: list[Load]) -> None:
    assert len({load.name for load in loads}) == len(loads)


def test_every_target_names_a_load_and_a_tool_that_measures_it() -> None:
    for ratio in ratios():
        assert ratio.tool in load(ratio.load).tools, ratio


def test_all_rounds_together_are_expected_to_end_in_time() -> None:
    """Two rounds on the simulated GPU, one on the CPU; the rest takes some minutes more."""
    gpu = Plan(bed("gpu"), PEERS, GPU_LOADS, 2)
    cpu = Plan(bed("cpu"), [name for name in PEERS if name not in ONCE], CPU_LOADS, 1)
    assert (gpu.seconds() + cpu.seconds()) / 60 < LIMIT_MINUTES


@pytest.mark.parametrize(("name", "length"), [("prompt-1500", 1500), ("prompt-6000", 6000), ("shared-4000", 4000)])
def test_prompts_have_about_their_length(name: str, length: int) -> None:
    assert tokens(load(name).bodies()[1]) == pytest.approx(length, rel=0.05)


def test_long_prompts_are_all_different_and_shared_ones_the_same() -> None:
    for name, different in (("prompt-6000", True), ("shared-4000", False)):
        first, second = (json.loads(body)["messages"][0]["content"] for body in load(name).bodies()[:2])
        assert (first[:40] != second[:40]) is different


def test_one_in_eight_prompts_is_long() -> None:
    lengths = [len(body) for body in load("beside-6000").bodies()]
    assert sum(length > 10_000 for length in lengths) == len(lengths) // 8


@pytest.mark.parametrize("name", [load.name for load in GPU_LOADS])
def test_the_bodies_are_valid_requests(name: str) -> None:
    for body in load(name).bodies()[:2]:
        request: Any = ChatCompletionSchema().load(json.loads(body))
        assert request
