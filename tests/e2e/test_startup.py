"""What cannot start says why in one sentence, with a status that is not 0, and leaves nothing running."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from engine_proc.commands.asking import ask
from engine_proc.exit_status import EXIT_UNREACHABLE, EXIT_USAGE
from engine_proc.lock import LOCK_FILE, lock_holder, take_lock
from engine_proc.settings import DEMO_MODEL
from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from schemas.shared.problem import read_problem
from tests.harness import LOAD_SECONDS, Hearth, begin_stock, free_port, processes_of, serving, until
from tests.hub import Hub
from tests.warm import popen

SERVE = [sys.executable, "-m", "engine_proc", "serve"]
START = [sys.executable, "-m", "engine_proc", "start"]
GUNICORN = [str(Path(sys.executable).with_name("gunicorn")), "wsgi:app"]


def fail(command: list[str], run_dir: Path, **settings: str) -> tuple[int, str]:
    """The exit status and the last line of what was printed."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
    environment |= {"HEARTH_RUN_DIR": str(run_dir), "HEARTH_BIND": f"127.0.0.1:{free_port()}"}
    environment |= {"HEARTH_ENGINE_SPAWN": "0", **{f"HEARTH_{name}": value for name, value in settings.items()}}
    environment |= begin_stock()()
    with popen.FromStock(
        command, cwd=PROJECT_ROOT, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:
        try:
            output, _ = process.communicate(timeout=120)
        finally:
            process.kill()
    assert "Traceback" not in output, output
    assert not processes_of(str(run_dir))
    return process.returncode, output.splitlines()[-1]


@pytest.fixture
def taken() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as holder:
        port: int = holder.getsockname()[1]
        yield port


@pytest.mark.parametrize(
    ("command", "status", "who"), [(SERVE, 2, "engine_proc"), (START, 2, "engine_proc"), (GUNICORN, 1, "hearth")]
)
def test_a_run_directory_that_cannot_be_used(tmp_path: Path, command: list[str], status: int, who: str) -> None:
    (tmp_path / "file").touch()
    run_dir = tmp_path / "file" / "run"
    sentence = f"{who}: {run_dir} cannot be used: Not a directory: set HEARTH_RUN_DIR"
    assert fail(command, run_dir) == (status, sentence)


@pytest.mark.parametrize("command", [SERVE, START])
def test_a_file_of_the_run_directory_that_cannot_be_used(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "engine.lock").mkdir()
    assert fail(command, tmp_path) == (2, f"engine_proc: {tmp_path}/engine.lock: Is a directory")


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    sentence = f"engine_proc: HEARTH_MODEL: there is no directory {tmp_path}/llama"
    assert fail(SERVE, tmp_path / "run", MODEL=f"{tmp_path}/llama") == (2, sentence)


def test_a_directory_without_a_model(tmp_path: Path) -> None:
    (tmp_path / "llama").mkdir()
    sentence = (
        f"engine_proc: HEARTH_MODEL: there is no model in {tmp_path}/llama: it has neither config.json nor params.json"
    )
    assert fail(SERVE, tmp_path / "run", MODEL=f"{tmp_path}/llama") == (2, sentence)


def test_the_engines_port_is_in_use(tmp_path: Path, taken: int) -> None:
    status, line = fail(SERVE, tmp_path, ENGINE_ENDPOINT=f"tcp://127.0.0.1:{taken}")
    assert status == 2
    assert line.startswith(f"engine_proc: the engine cannot listen at tcp://127.0.0.1:{taken}: Address already in use")


def test_the_web_tiers_port_is_in_use(tmp_path: Path, taken: int) -> None:
    status, line = fail(GUNICORN, tmp_path, BIND=f"127.0.0.1:{taken}")
    assert status == 1
    assert line.endswith(f"Can't connect to ('127.0.0.1', {taken})")


def test_a_file_of_keys_that_is_not_there(tmp_path: Path) -> None:
    sentence = "hearth: HEARTH_API_KEYS_FILE: /nowhere: No such file or directory"
    assert fail(GUNICORN, tmp_path, API_KEYS_FILE="/nowhere") == (1, sentence)


def test_an_open_endpoint_without_keys(tmp_path: Path) -> None:
    for command, status in ((SERVE, 2), (GUNICORN, 1)):
        failed, line = fail(command, tmp_path, ENGINE_ENDPOINT="tcp://0.0.0.0:5555")
        assert failed == status
        assert line.endswith("or set HEARTH_CURVE_KEYS")


@pytest.mark.engine("startup")
def test_a_model_that_the_hub_does_not_have_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "hub").mkdir()
    with Hub(tmp_path / "hub") as hub:
        monkeypatch.setenv("HF_ENDPOINT", hub.endpoint)
        monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
        status, sentence = fail(SERVE, tmp_path / "run", MODEL="no/such-model")
    assert status == EXIT_USAGE
    assert sentence.startswith("engine_proc: ")
    assert "no/such-model" in sentence


def test_a_hub_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    load = [sys.executable, "-m", "engine_proc.process.model_process", "--model", "no/such-model"]
    status, sentence = fail(load, tmp_path, MODEL="no/such-model")
    assert status == EXIT_UNREACHABLE
    assert sentence.endswith("and the hub http://127.0.0.1:1 cannot be reached: Connection refused")


def test_a_hub_that_must_not_be_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "cache"))
    status, sentence = fail(SERVE, tmp_path / "run", MODEL="no/such-model")
    assert status == EXIT_USAGE
    assert sentence.endswith("and HF_HUB_OFFLINE forbids its download")


def rewrite(file: str, change: dict[str, Any]) -> Callable[[Path], None]:
    """Return what changes members of a JSON file in the model's directory."""

    def damage(model: Path) -> None:
        path = model / file
        path.write_text(json.dumps(json.loads(path.read_text()) | change))

    return damage


def spoil_template(model: Path) -> None:
    (model / "chat_template.jinja").write_text("{% for message in messages %}{{ message.content }")


@pytest.mark.engine("startup")
@pytest.mark.parametrize(
    ("damage", "flags", "says"),
    [
        (None, "--max-model-len 4000000", "max_model_len"),
        (None, "--max-modle-len 64", "unrecognized arguments: --max-modle-len 64: did you mean --max-model-len?"),
        (None, "--chat-template /nowhere.jinja", "/nowhere.jinja"),
        (None, "--tool-call-parser nonsense", "nonsense"),
        (rewrite("config.json", {"architectures": ["NoSuchForCausalLM"]}), "", "NoSuchForCausalLM"),
        (rewrite("tokenizer.json", {"model": {"type": "NoSuchModel"}}), "", "okeniz"),
        (spoil_template, "", "the chat template is not valid in line 1"),
    ],
    ids=["context", "misspelt", "no template", "no parser", "architecture", "tokenizer", "template"],
)
def test_a_set_up_that_vllm_refuses_is_tried_once(
    tmp_path: Path, damage: Callable[[Path], None] | None, flags: str, says: str
) -> None:
    model = shutil.copytree(DEMO_MODEL, tmp_path / "model", ignore=shutil.ignore_patterns("corpus", "adapter", "*.py"))
    if damage is not None:
        damage(model)
    status, sentence = fail(SERVE, tmp_path / "run", MODEL=str(model), ENGINE_ARGS=f"--enforce-eager {flags}")
    assert status == EXIT_USAGE
    assert says in sentence
    assert read_problem(tmp_path / "run") == sentence.removeprefix("engine_proc: ")


@pytest.mark.parametrize(
    ("settings", "says"),
    [
        ({"HEARTH_BIND": "127.0.0.1:99999"}, "hearth: HEARTH_BIND: expected host:port with a port of at most 65535"),
        ({"WEB_CONCURRENCY": "0"}, "hearth: WEB_CONCURRENCY: expected a number of workers, at least 1, not '0'"),
    ],
)
def test_a_web_tier_that_cannot_serve_does_not_start(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], says: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    status, line = fail(GUNICORN, tmp_path, **{name.removeprefix("HEARTH_"): value for name, value in settings.items()})
    assert status == 1
    assert line.startswith(says)


def test_ready_and_health_say_why_no_engine_runs(tmp_path: Path) -> None:
    hearth = Hearth(tmp_path / "run", HEARTH_MODEL="/no/such")
    hearth.start_web()
    try:
        until(lambda: read_problem(hearth.run_dir), 30, "the engine has ended")
        until(lambda: "/no/such" in httpx.get(f"{hearth.url}/ready").text, 10, "/ready says why")
        refused = httpx.get(f"{hearth.url}/ready")
        assert refused.status_code == 503
        assert refused.json()["error"]["message"].endswith("HEARTH_MODEL: there is no directory /no/such")
        assert httpx.get(f"{hearth.url}/health").json()["engine"]["problem"].endswith("/no/such")
    finally:
        hearth.stop_web()


def test_a_reload_starts_an_engine_where_none_runs(tmp_path: Path) -> None:
    hearth = Hearth(tmp_path / "run", HEARTH_MODEL="/no/such")  # so that each start says its sentence, and ends

    def starts() -> int:
        return (hearth.run_dir / "engine.log").read_text().count("there is no directory /no/such")

    def reload_and_wait(web: subprocess.Popen[bytes]) -> None:
        before = {worker.pid for worker in hearth.workers()}
        web.send_signal(signal.SIGHUP)
        until(lambda: not before & {worker.pid for worker in hearth.workers()}, 60, "the old workers are gone")

    hearth.start_web()
    assert hearth.web is not None
    try:
        until(lambda: starts() == 1, 30, "the first start has started one")
        until(lambda: lock_holder(hearth.run_dir / LOCK_FILE) is None, 30, "it has ended")
        reload_and_wait(hearth.web)
        until(lambda: starts() == 2, 30, "a reload has started another")
        until(lambda: lock_holder(hearth.run_dir / LOCK_FILE) is None, 30, "it has ended")
        lock = take_lock(hearth.run_dir / LOCK_FILE)
        assert lock is not None
        with lock:  # as an engine that runs holds it
            log = hearth.web_log.read_text().count("an engine is already running")
            reload_and_wait(hearth.web)
            assert hearth.web_log.read_text().count("an engine is already running") == log, "no process was spent on it"
            assert starts() == 2
    finally:
        hearth.stop_web()


@pytest.mark.engine("startup")
@pytest.mark.timeout(2 * LOAD_SECONDS)
def test_a_load_that_hangs_is_begun_again(tmp_path: Path) -> None:
    with serving(tmp_path / "run", ready=False, HEARTH_STALL_SECONDS="5") as hearth:
        until(lambda: hearth.ask_briefly(wire.Ping(), seconds=1), 60, "the engine answers while it loads")
        model = psutil.Process(hearth.welcome().pid)
        cores = until(lambda: model.children(recursive=True), 60, "EngineCore has been started")
        assert not hearth.is_loaded()
        for process in cores:
            process.suspend()
        until(lambda: "it hangs" in (hearth.run_dir / "engine.log").read_text(), 60, "the load has ended")
        hearth.wait_ready()
        assert hearth.welcome().load_count == 2


@pytest.mark.engine("startup")
def test_an_engine_outlives_the_terminal_that_it_was_started_from(tmp_path: Path) -> None:
    environment = {**os.environ, "HEARTH_RUN_DIR": str(tmp_path)}
    shell = f"{shlex.join(START)}; echo started; sleep 600"
    terminal = subprocess.Popen(
        ["env", "--default-signal=HUP", "script", "--quiet", "--command", shell, "/dev/null"],  # under nohup too
        cwd=PROJECT_ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert terminal.stdout is not None
        for line in terminal.stdout:
            if line.strip() == "started":
                break
        terminal.kill()  # the pseudo-terminal hangs up
        terminal.wait()
        until(
            lambda: "sleep" not in {process.name() for process in processes_of(str(tmp_path))},
            10,
            "the shell has heard it",
        )
        until(lambda: ask(f"ipc://{tmp_path}/engine.sock", wire.Ping()) is not None, 60, "the engine answers")
    finally:
        terminal.kill()
        subprocess.run([sys.executable, "-m", "engine_proc", "stop"], cwd=PROJECT_ROOT, env=environment, check=True)
