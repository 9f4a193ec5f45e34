"""How an engine starts, dies and is replaced: on an engine of its own, for the tests kill it."""

import os
import signal
import time
from collections.abc import Iterator

import psutil
import pytest

from tests.harness import Hearth, endless, processes_of, until

LOAD_SECONDS = 120


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """Not yet ready when the first test gets it."""
    stack = Hearth(tmp_path_factory.mktemp("life"))
    try:
        stack.start_web()
        yield stack
    finally:
        stack.shut_down()


def engine_processes(stack: Hearth) -> list[psutil.Process]:
    web = {process.pid for process in [psutil.Process(stack.web.pid), *stack.workers()]} if stack.web else set()
    return [process for process in processes_of(str(stack.run_dir)) if process.pid not in web]


def supervisor(stack: Hearth) -> psutil.Process:
    return psutil.Process(int((stack.run_dir / "engine.lock").read_text()))


# The tests of this file are the chapters of one life, in order: each begins where the one before has ended.


def test_while_it_loads_requests_get_503_and_health_says_how_far_it_is(stack: Hearth) -> None:
    def loading() -> bool:
        return bool(stack.get("/health").json()["engine"]["state"] == "loading")

    until(loading, 20, "the engine answers while it loads")
    engine = stack.get("/health").json()["engine"]
    assert engine["stage"]
    assert 0 <= engine["progress"] < 1
    for response in (stack.post("/v1/chat/completions", endless()), stack.get("/ready")):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.json()["error"]["code"] == "engine_loading"
    status = stack.engine("status", check=False)
    assert status.returncode == 3
    assert "%" in status.stdout


def test_it_becomes_ready(stack: Hearth) -> None:
    stack.wait_ready()
    assert "Hearth" in stack.chat("Who are you?")
    assert stack.engine("status").returncode == 0


def test_a_second_engine_is_not_started(stack: Hearth) -> None:
    assert "already runs" in stack.engine("start").stdout
    second = stack.engine("serve", check=False)
    assert second.returncode == 1
    assert "already runs" in second.stderr


def test_a_killed_model_process_fails_its_requests_and_is_replaced(stack: Hearth) -> None:
    before = stack.welcome()
    with stack.stream("/v1/chat/completions", endless()) as response:
        chunks = response.iter_text()
        next(chunks)
        os.kill(before.pid, signal.SIGKILL)
        rest = "".join(chunks)
    assert '"error":' in rest, "a cut stream says why"
    assert "[DONE]" not in rest
    until(lambda: stack.get("/ready").status_code == 503, 15, "/ready is 503")
    stack.wait_ready()
    after = stack.welcome()
    assert after.load_count == before.load_count + 1
    assert after.fingerprint == before.fingerprint
    assert "Hearth" in stack.chat("Who are you?")


@pytest.mark.field("conversation_id")
def test_a_killed_engine_core_is_replaced_and_conversations_go_on(stack: Hearth) -> None:
    before = stack.welcome()
    assert "小明" in stack.chat("我叫小明。", conversation_id="life")
    stack.stop_web()
    stack.start_web()
    (core,) = psutil.Process(before.pid).children()[-1:]
    core.kill()
    until(lambda: stack.engine("status", check=False).returncode != 0, 30, "the crash is seen")
    stack.wait_ready()
    assert stack.welcome().load_count == before.load_count + 1
    assert stack.chat("你好吗？", conversation_id="life")
    stack.stop_web()
    stack.start_web()
    assert stack.chat("我叫什么名字？", conversation_id="life") == "你叫小明。", "the third turn knows the first"


def test_a_killed_supervisor_leaves_no_orphan(stack: Hearth) -> None:
    assert len(engine_processes(stack)) >= 3
    supervisor(stack).kill()
    until(lambda: not engine_processes(stack), 10, "all of the engine is gone")
    assert stack.engine("status", check=False).returncode == 1


def test_term_ends_all_within_10_seconds(stack: Hearth) -> None:
    assert "engine started" in stack.engine("start").stdout
    stack.wait_ready()
    began = time.monotonic()
    assert "engine stopped" in stack.engine("stop").stdout
    assert not engine_processes(stack)
    assert time.monotonic() - began < 10
    assert stack.engine("stop").stdout.strip() == "no engine runs"


def test_term_while_it_loads_ends_all(stack: Hearth) -> None:
    stack.engine("start")
    until(lambda: len(engine_processes(stack)) >= 2, 20, "the load has begun")
    stack.engine("stop")
    assert not engine_processes(stack)
