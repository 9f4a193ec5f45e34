"""Tensor parallelism of vLLM by Ray behind a Hearth: answers, figures, and the deaths of a worker and of an engine."""

from collections.abc import Iterator

import psutil
import pytest

from schemas import wire
from tests.e2e.mixture import Mixture
from tests.harness import FORKED, Hearth, until
from tests.parallel.layouts import IN_FLOAT32
from tests.parallel.on_ray.cluster import DEVICES, PYTHONPATH, RAY, Cluster, cluster
from tests.parallel.test_layouts import answers_the_seed, generated_tokens

pytestmark = pytest.mark.timeout(900)  # each load imports vLLM three times
FLAGS = f"--distributed-executor-backend ray --tensor-parallel-size {DEVICES} {IN_FLOAT32}"
PATIENT = {"HEARTH_RECOVERY_SECONDS": "800"}
"""Ray notices a death within 5 s, and a load is slow on a machine that is busy."""


@pytest.fixture(scope="module")
def ray(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    with cluster(tmp_path_factory.mktemp("ray")) as running:
        yield running


@pytest.fixture(scope="module")
def hearth(ray: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    python_path = f"{FORKED['PYTHONPATH']}:{PYTHONPATH}"
    environment = {"PYTHONPATH": python_path, "HEARTH_ENGINE_SPAWN": "0", "HEARTH_ENGINE_ARGS": FLAGS, **PATIENT}
    stack = Hearth(tmp_path_factory.mktemp("on-ray"), **environment, RAY_ADDRESS=ray.address)
    try:
        stack.start_web()
        stack.python = RAY / "python"
        stack.engine("start")
        stack.wait_ready()
        yield stack
    finally:
        stack.shut_down()
    until(lambda: not ray.workers(), 30, "no worker is left with Ray")


def test_ray_has_a_worker_for_each_device(hearth: Hearth, ray: Cluster) -> None:
    assert len(ray.workers()) == DEVICES
    assert "Hearth" in hearth.chat("Who are you?")


def test_the_seeds_bodies_are_answered(hearth: Hearth) -> None:
    answers_the_seed(hearth)


def test_its_work_is_counted(hearth: Hearth) -> None:
    (before,) = generated_tokens(hearth).values()
    hearth.chat("Count from 1 to 100.", ignore_eos=True, max_tokens=40)
    (after,) = generated_tokens(hearth).values()
    assert after - before == 40


@pytest.mark.parametrize("victim", ["a worker", "the model process"])
def test_a_death_loses_no_request(hearth: Hearth, ray: Cluster, victim: str) -> None:
    before = ray.workers()

    def kill(lost: wire.Welcome) -> None:
        (before[-1] if victim == "a worker" else psutil.Process(lost.pid)).kill()

    Mixture(hearth).outlives(kill)
    assert len(ray.workers()) == DEVICES
    assert not any(worker.is_running() for worker in before)
