"""How an engine loads, dies and is replaced.

Each test finds the engine that it needs, whatever the one before has left. Their order saves loads: where one has ended
an engine, the next begins with a load.
"""

import json
import os
import re
import signal
import subprocess
import sys

import psutil
import pytest
from playwright.sync_api import Browser, expect

from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests.browser import answered, ask, page_of
from tests.e2e.mixture import Mixture
from tests.harness import LOAD_SECONDS, Hearth, chat_body, endless, processes_of, until

pytestmark = pytest.mark.timeout(2 * LOAD_SECONDS)  # on a busy machine


@pytest.fixture
def stack(mortal: Hearth) -> Hearth:
    """With an engine that is ready."""
    mortal.bring_up()
    return mortal


@pytest.fixture
def loading(mortal: Hearth) -> Hearth:
    """With an engine that loads: the last test's, where most of its load is still to come, or a new one.

    The web tier is as new as its engine: one that has had a ready engine says `restarting`.
    """
    if mortal.web is None or not is_loading(mortal, up_to=0.3):
        if mortal.web is not None:
            mortal.stop_web()
        mortal.engine("stop")
        mortal.start_web()
        until(lambda: is_loading(mortal), 60, "the engine answers while it loads")
    return mortal


def is_loading(stack: Hearth, up_to: float = 1.0) -> bool:
    """Both tiers say so. The web tier alone would say so for some seconds after the engine has ended."""
    replies = stack.ask_briefly(wire.Ping(), seconds=1)
    seen = stack.get("/health").json()["engine"]
    loading = replies is not None and not replies[0].load.ready and replies[0].load.progress <= up_to
    return loading and seen["state"] == "loading" and seen["stage"] != ""


@pytest.fixture(scope="module")
def mixture(running_float32: Hearth) -> Mixture:
    running_float32.bring_up()
    return Mixture(running_float32)


def engine_processes(stack: Hearth) -> list[psutil.Process]:
    web = {process.pid for process in [psutil.Process(stack.web.pid), *stack.workers()]} if stack.web else set()
    return [process for process in processes_of(str(stack.run_dir)) if process.pid not in web]


def supervisor(stack: Hearth) -> psutil.Process:
    return psutil.Process(int((stack.run_dir / "engine.lock").read_text()))


def stop(stack: Hearth) -> None:
    """TERM: all ends by itself, and nothing is left."""
    killed = engine_log(stack).count("did not stop within")
    assert "engine stopped" in stack.engine("stop").stdout
    until(lambda: not engine_processes(stack), 10, "all of the engine is gone")
    assert engine_log(stack).count("did not stop within") == killed, "the supervisor had to kill"


def engine_log(stack: Hearth) -> str:
    return (stack.run_dir / "engine.log").read_text()


# ---- what is lost is replaced -----------------------------------------------------------------------------------


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
        expect(page.locator("#banner")).to_contain_text("Your answer resumes when the engine is ready.")
        begun.append(page.locator("article.assistant .text").inner_text())

    begun: list[str] = []
    with page_of(browser, stack.url) as page:
        page.evaluate("fields => localStorage.setItem('hearth.fields', fields)", json.dumps(settings))
        page.reload()
        lost = mixture.outlives(kill)
        assert answered(page) == whole
        expect(page.locator("#banner")).to_be_hidden()
    assert whole.startswith(begun[0])
    assert begun[0] != whole
    assert stack.welcome().load_count == lost.load_count + 1


def test_a_killed_worker_is_replaced_and_loses_no_request(stack: Hearth, mixture: Mixture) -> None:
    def kill(engine: wire.Welcome) -> None:
        psutil.Process(engine.pid).children(recursive=True)[-1].kill()  # as the kernel does when memory is short

    mixture.outlives(kill)


def test_a_step_that_hangs_is_a_death(stack: Hearth, mixture: Mixture) -> None:
    def hang(engine: wire.Welcome) -> None:
        for process in psutil.Process(engine.pid).children(recursive=True):
            process.suspend()

    before = engine_log(stack).count("it hangs")
    mixture.outlives(hang)
    assert engine_log(stack).count("it hangs") > before


def test_a_model_process_without_a_pulse_is_dead(stack: Hearth, mixture: Mixture) -> None:
    before = engine_log(stack).count("no heartbeat")
    mixture.outlives(lambda engine: psutil.Process(engine.pid).suspend())
    assert engine_log(stack).count("no heartbeat") > before


@pytest.mark.field("conversation_id")
def test_a_killed_engine_core_is_replaced_and_conversations_go_on(stack: Hearth) -> None:
    name = f"life-{stack.welcome().instance}"
    before = stack.welcome()
    assert "小明" in stack.chat("我叫小明。", conversation_id=name)
    stack.stop_web()
    stack.start_web()
    (core,) = psutil.Process(before.pid).children()[-1:]
    core.kill()
    until(lambda: stack.engine("status", check=False).returncode != 0, 30, "the crash is seen")
    stack.wait_ready()
    assert stack.welcome().load_count == before.load_count + 1
    assert stack.chat("你好吗？", conversation_id=name)
    stack.stop_web()
    stack.start_web()
    assert stack.chat("我叫什么名字？", conversation_id=name) == "你叫小明。", "the third turn knows the first"


def test_an_engine_replaced_by_hand_loses_no_request(stack: Hearth, mixture: Mixture) -> None:
    def replace(engine: wire.Welcome) -> None:
        stop(stack)
        stack.engine("start")

    mixture.outlives(replace)


# ---- endings ----------------------------------------------------------------------------------------------------


def test_a_killed_supervisor_leaves_no_orphan(stack: Hearth) -> None:
    assert len(engine_processes(stack)) >= 3
    supervisor(stack).kill()
    until(lambda: not engine_processes(stack), 10, "all of the engine is gone")
    assert stack.engine("status", check=False).returncode == 1


def test_term_while_it_loads_ends_all(loading: Hearth) -> None:
    until(lambda: len(engine_processes(loading)) >= 2, 20, "the load has begun")
    stop(loading)


# ---- loading ----------------------------------------------------------------------------------------------------


def test_while_it_loads_requests_get_503_and_health_says_how_far_it_is(loading: Hearth) -> None:
    engine = loading.get("/health").json()["engine"]
    assert engine["stage"]
    assert 0 <= engine["progress"] < 1
    for response in (loading.post("/v1/chat/completions", endless()), loading.get("/ready")):
        assert response.status_code == 503
        assert int(response.headers["Retry-After"]) > 0
        assert response.json()["error"]["code"] == "engine_loading"
    status = loading.engine("status", check=False)
    assert status.returncode == 3
    assert "%" in status.stdout


def test_the_pages_show_the_load_and_what_is_sent_meanwhile_is_answered(loading: Hearth, browser: Browser) -> None:
    with page_of(browser, loading.url) as page, page_of(browser, loading.url, path="/status") as status:
        expect(page.locator("#banner")).to_contain_text("Loading the model: ")
        expect(page.locator("#engine")).to_have_text(re.compile(r"^loading \d+%$"))
        expect(status.locator("#state")).to_have_text(re.compile(r"^Loading the model: .+, about \d+%$"))
        ask(page, "Who are you?")
        loading.wait_ready()
        assert "Hearth" in answered(page)
        expect(page.locator("#banner")).to_be_hidden()
        expect(status.locator("#state")).to_have_text("The engine is ready")
        expect(status.locator("#engine")).to_contain_text("hearth-demo")
        expect(status.locator("#workers tr")).to_have_count(2)


def test_it_becomes_ready(stack: Hearth) -> None:
    assert "Hearth" in stack.chat("Who are you?")
    assert stack.engine("status").returncode == 0


def test_a_second_engine_is_not_started(stack: Hearth) -> None:
    assert "already running" in stack.engine("start").stdout
    second = stack.engine("serve", check=False)
    assert second.returncode == 1
    assert "already running" in second.stderr


# ---- the last ones ----------------------------------------------------------------------------------------------


def test_a_drain_lets_what_is_live_end(stack: Hearth, mixture: Mixture) -> None:
    running = mixture.start_and_stay()
    draining = subprocess.Popen(
        [sys.executable, "-m", "engine_proc", "drain", "--seconds", "120"], cwd=PROJECT_ROOT, env=stack.env
    )
    until(lambda: stack.get("/ready").status_code == 503, 60, "/ready is 503 first")
    assert stack.post("/v1/chat/completions", chat_body("Hello")).status_code == 503
    assert mixture.finish(running) == mixture.expected
    assert draining.wait(30) == 0
    until(lambda: not engine_processes(stack), 10, "all of the engine is gone")


def test_term_ends_all(stack: Hearth) -> None:
    stop(stack)
    assert stack.engine("stop").stdout.strip() == "no engine is running"
