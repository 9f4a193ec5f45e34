"""A web host: what `make setup BACKEND=web` installs serves an engine elsewhere, and needs neither torch nor vLLM."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from engine_proc.commands.vllm_installed import WEB_TIER_ALONE
from engine_proc.exit_status import EXIT_USAGE
from schemas.shared.endpoint import PROJECT_ROOT
from tests.collector import Collector
from tests.harness import Hearth, chat_body, free_port, until

LOCK = PROJECT_ROOT / "requirements/web.txt"
MAX_MB = 100
ENGINE_ONLY = ("torch", "vllm", "transformers", "tokenizers", "huggingface_hub", "numpy", "jsonschema")


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment that holds the packages of the lock and nothing else."""
    directory = tmp_path_factory.mktemp("web-host")
    found = directory / "bin/python"
    install = ["pip", "--python", str(found), "install", "--quiet", "--no-deps", "--requirement", str(LOCK)]
    for command in (["venv", "--without-pip", str(directory)], install):
        done = subprocess.run([sys.executable, "-m", *command], capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return found


@pytest.fixture
def web_host(python: Path, tmp_path: Path) -> Iterator[Hearth]:
    """A web tier that runs in that environment, and has not started."""
    stack = Hearth(tmp_path, WEB_CONCURRENCY="1")
    stack.python = python
    yield stack
    stack.shut_down()


def test_the_lock_is_small_and_has_nothing_of_the_engines(python: Path) -> None:
    (packages,) = python.parent.parent.glob("lib/python*/site-packages")
    megabytes = sum(path.stat().st_size for path in packages.rglob("*") if path.is_file()) / 1e6
    assert 20 < megabytes < MAX_MB, f"{packages} holds {megabytes:.0f} MB"
    program = f"from importlib.util import find_spec; print([name for name in {ENGINE_ONLY} if find_spec(name)])"
    assert subprocess.run([python, "-c", program], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_it_answers_with_an_engine_elsewhere(web_host: Hearth, hearth: Hearth) -> None:
    with Collector() as collector:
        web_host.env |= {
            "HEARTH_ENGINE_ENDPOINT": f"ipc://{hearth.run_dir}/engine.sock",
            "HEARTH_ENGINE_SPAWN": "0",
            "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": collector.endpoint,
            "OTEL_BSP_SCHEDULE_DELAY": "200",
        }
        web_host.start_web()
        until(lambda: web_host.get("/ready").status_code == 200, 30, "/ready is 200")

        question = "Who are you?"
        assert web_host.chat(question) == hearth.chat(question)
        with web_host.stream("/v1/chat/completions", chat_body(question)) as response:
            assert response.read().endswith(b"data: [DONE]\n\n")
        kept = web_host.post("/v1/responses", {"input": question, "temperature": 0, "store": True}).json()
        assert web_host.get(f"/v1/responses/{kept['id']}").json()["status"] == "completed"
        for path in ("/", "/docs", "/openapi.json", "/metrics", "/status", "/status.json", "/v1/models"):
            assert web_host.get(path).status_code == 200, path
        until(lambda: collector.spans, 10, "a span has arrived")
        assert "hearth-demo" in web_host.engine("status").stdout


def test_its_commands_need_no_vllm(web_host: Hearth) -> None:
    web_host.env["HEARTH_ENGINE_ENDPOINT"] = f"tcp://127.0.0.1:{free_port()}"
    findings = {finding["what"]: finding for finding in json.loads(web_host.engine("doctor", "--json").stdout)}
    assert findings["vLLM"]["level"] == "ok"
    assert not {"torch", "GPU", "model"} & findings.keys()
    assert "--seconds" in web_host.engine("completion", "bash").stdout
    web_host.engine("keys", str(web_host.run_dir / "keys"))


def test_it_starts_no_engine_and_says_so(web_host: Hearth) -> None:
    sentence = f"engine_proc: {WEB_TIER_ALONE}\n"
    for command in (["serve"], ["start"], ["batch", "requests.jsonl"]):
        done = web_host.engine(*command, check=False)
        assert (done.returncode, done.stderr) == (EXIT_USAGE, sentence)
    web_host.start_web()
    assert web_host.get("/ready").status_code == 503
    assert web_host.web_log.read_text().count(sentence) == 1
    assert not (web_host.run_dir / "engine.log").exists()


def test_make_install_leaves_out_the_engines_unit(tmp_path: Path) -> None:
    command = ["make", "install", "BACKEND=web", f"DESTDIR={tmp_path}"]
    subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, check=True)
    units = {path.name for path in (tmp_path / "etc/systemd/system").iterdir()}
    assert units == {"hearth-web.service", "hearth-web.socket"}


def test_make_run_serves_without_an_engine() -> None:
    command = ["make", "--dry-run", "run", "BACKEND=web"]
    shown = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, check=True).stdout
    assert "HEARTH_ENGINE_SPAWN=0 bin/hearth web" in shown
    assert "torch" not in shown and "engine_proc" not in shown
