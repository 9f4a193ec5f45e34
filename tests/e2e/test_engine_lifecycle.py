"""How an engine starts, dies and is replaced: on an engine of its own, for the tests kill it."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from typing import Any

import psutil
import pytest
from playwright.sync_api import Browser, expect

from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests.browser import answered, ask, page_of
from tests.e2e.mixture import Mixture
from tests.harness import Hearth, chat_body, endless, processes_of, serving, until

LOAD_SECONDS = 240


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    """Not yet ready when the first test gets it."""
    environment = {
        "HEARTH_ENGINE_ARGS": "--dtype float32",  # the same text whatever else is in the batch
        "HEARTH_STALL_SECONDS": "12",
        "HEARTH_DRAIN_SECONDS": "1",
    }
    with serving(tmp_path_factory.mktemp("life"), ready=False, **environment) as stack:
        yield stack


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


def test_the_pages_show_the_load_and_what_is_sent_meanwhile_is_answered(stack: Hearth, browser: Browser) -> None:
    with page_of(browser, stack.url) as page, page_of(browser, stack.url, path="/status") as status:
        expect(page.locator("#banner")).to_contain_text("The model is being loaded: ")
        expect(page.locator("#engine")).to_have_text(re.compile(r"^loading \d+%$"))
        expect(status.locator("#state")).to_have_text(re.compile(r"^The model is being loaded: .+, about \d+%$"))
        ask(page, "Who are you?")
        assert "Hearth" in answered(page)
        expect(page.locator("#banner")).to_be_hidden()
        expect(status.locator("#state")).to_have_text("The engine is ready")
        expect(status.locator("#engine")).to_contain_text("hearth-demo")
        expect(status.locator("#workers tr")).to_have_count(2)


def test_it_becomes_ready(stack: Hearth) -> None:
    stack.wait_ready()
    assert "Hearth" in stack.chat("Who are you?")
    assert stack.engine("status").returncode == 0


def test_a_second_engine_is_not_started(stack: Hearth) -> None:
    assert "already running" in stack.engine("start").stdout
    second = stack.engine("serve", check=False)
    assert second.returncode == 1
    assert "already running" in second.stderr


@pytest.fixture(scope="module")
def mixture(stack: Hearth) -> Mixture:
    stack.wait_ready()
    return Mixture(stack)


def start_and_stay(stack: Hearth, mixture: Mixture) -> dict[str, "Future[dict[str, Any]]"]:
    """Again where the streams' first texts reached this process only when the engine was done: then nothing is lost."""
    for _ in range(10):
        running = mixture.start()
        if stack.live():
            return running
        mixture.finish(running)
    raise AssertionError("no request lived long enough to lose its engine")


def lose_the_engine(stack: Hearth, mixture: Mixture, lose: Callable[[wire.Welcome], None]) -> None:
    """Every request that is under way when the engine is lost gets the answer that it would have got anyway."""
    before = stack.welcome()
    running = start_and_stay(stack, mixture)
    lose(before)
    until(lambda: not any(future.running() for future in running.values()), LOAD_SECONDS, "all are answered")
    assert mixture.finish(running) == mixture.expected
    stack.wait_ready()
    after = stack.welcome()
    assert after.instance != before.instance
    assert after.fingerprint == before.fingerprint
    until(lambda: stack.live() == 0, 5, "no request is live")
    assert "requests on engine" in stack.web_log.read_text()


def test_a_killed_model_process_is_replaced_and_loses_no_request(
    stack: Hearth, mixture: Mixture, browser: Browser
) -> None:
    """The page shows the pause."""
    question = "Count from 1 to 100."
    settings = {"temperature": 0, "ignore_eos": True, "max_tokens": 300}
    whole = stack.chat(question, **settings)

    def kill(engine: wire.Welcome) -> None:
        ask(page, question)
        expect(page.locator("article.assistant .text")).to_contain_text("1")
        os.kill(engine.pid, signal.SIGKILL)
        expect(page.locator("#banner")).to_contain_text("Your answer goes on when it is ready.")
        begun.append(page.locator("article.assistant .text").inner_text())

    begun: list[str] = []
    with page_of(browser, stack.url) as page:
        page.evaluate("fields => localStorage.setItem('hearth.fields', fields)", json.dumps(settings))
        page.reload()
        lose_the_engine(stack, mixture, kill)
        assert answered(page) == whole
        expect(page.locator("#banner")).to_be_hidden()
    assert whole.startswith(begun[0])
    assert begun[0] != whole
    assert stack.welcome().load_count == 2


def test_a_killed_worker_is_replaced_and_loses_no_request(stack: Hearth, mixture: Mixture) -> None:
    def kill(engine: wire.Welcome) -> None:
        psutil.Process(engine.pid).children(recursive=True)[-1].kill()  # as the kernel does when memory is short

    lose_the_engine(stack, mixture, kill)


def test_a_step_that_hangs_is_a_death(stack: Hearth, mixture: Mixture) -> None:
    def hang(engine: wire.Welcome) -> None:
        for process in psutil.Process(engine.pid).children(recursive=True):
            process.suspend()

    lose_the_engine(stack, mixture, hang)
    assert "it hangs" in (stack.run_dir / "engine.log").read_text()


def test_a_model_process_without_a_pulse_is_dead(stack: Hearth, mixture: Mixture) -> None:
    lose_the_engine(stack, mixture, lambda engine: psutil.Process(engine.pid).suspend())
    assert "no heartbeat" in (stack.run_dir / "engine.log").read_text()


def test_an_engine_replaced_by_hand_loses_no_request(stack: Hearth, mixture: Mixture) -> None:
    def replace(engine: wire.Welcome) -> None:
        assert "engine stopped" in stack.engine("stop").stdout
        stack.engine("start")

    lose_the_engine(stack, mixture, replace)


def test_a_drain_lets_what_is_live_end(stack: Hearth, mixture: Mixture) -> None:
    running = start_and_stay(stack, mixture)
    draining = subprocess.Popen(
        [sys.executable, "-m", "engine_proc", "drain", "--seconds", "120"], cwd=PROJECT_ROOT, env=stack.env
    )
    until(lambda: stack.get("/ready").status_code == 503, 60, "/ready is 503 first")
    assert stack.post("/v1/chat/completions", chat_body("Hello")).status_code == 503
    assert mixture.finish(running) == mixture.expected
    assert draining.wait(30) == 0
    assert not engine_processes(stack)
    stack.engine("start")
    stack.wait_ready()


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
    assert stack.engine("stop").stdout.strip() == "no engine is running"


def test_term_while_it_loads_ends_all(stack: Hearth) -> None:
    stack.engine("start")
    until(lambda: len(engine_processes(stack)) >= 2, 20, "the load has begun")
    stack.engine("stop")
    assert not engine_processes(stack)
