"""The servers to compare. Each is started with the same weights and engine flags, and always stopped."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.accounting import family
from bench.beds import Bed
from bench.loads import Load
from bench.stack import Stack, free_port, until
from schemas.shared.endpoint import PROJECT_ROOT

START_SECONDS = 600.0
STOP_SECONDS = 60.0
VLLM_ENVIRONMENT = {
    "VLLM_NO_USAGE_STATS": "1",
    "VLLM_CPU_KVCACHE_SPACE": "1",
    "VLLM_WORKER_MULTIPROC_METHOD": "spawn",
    "TORCHDYNAMO_DISABLE": "1",
}
"""The variables that Hearth sets for its own engine on a CPU."""


@dataclass(slots=True)
class Server:
    """A running contender with an HTTP API."""

    name: str
    port: int
    roots: dict[str, int]
    """Pids of the processes that have started all others of the server, by part."""
    hearth: Stack | None = None
    """None: the server is not Hearth."""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"


@contextlib.contextmanager
def hearth(run_dir: Path, bed: Bed) -> Iterator[Server]:
    """Hearth as an operator starts it, with its default number of web workers."""
    environment = {"HEARTH_MODEL": str(bed.model), "HEARTH_ENGINE_ARGS": " ".join(bed.flags), **bed.environment}
    stack = Stack(run_dir, **environment)
    if "WEB_CONCURRENCY" not in os.environ:
        del stack.env["WEB_CONCURRENCY"]
    try:
        stack.start_web()
        stack.wait_ready()
        assert stack.web is not None
        yield Server("hearth", stack.port, {"web": stack.web.pid, "model": stack.welcome().pid}, stack)
    finally:
        stack.shut_down()


@contextlib.contextmanager
def vllm(run_dir: Path, bed: Bed) -> Iterator[Server]:
    """vLLM's own server, in Python."""
    with _vllm("vllm", "vllm.entrypoints.openai.api_server", run_dir, bed, {}) as server:
        yield server


@contextlib.contextmanager
def rust(run_dir: Path, bed: Bed, binary: Path) -> Iterator[Server]:
    """vLLM's own server, with its Rust front end."""
    environment = {"VLLM_USE_RUST_FRONTEND": "1", "VLLM_RUST_FRONTEND_PATH": str(binary)}
    with _vllm("rust", "bench.vllm_serve", run_dir, bed, environment) as server:
        yield server


@contextlib.contextmanager
def _vllm(name: str, module: str, run_dir: Path, bed: Bed, environment: dict[str, str]) -> Iterator[Server]:
    run_dir.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), run_dir / f"{name}.log"
    command = [sys.executable, "-m", module, "--model", str(bed.model), "--served-model-name", "hearth-demo"]
    command += ["--host", "127.0.0.1", "--port", str(port), *bed.flags]
    environment = {**os.environ, **VLLM_ENVIRONMENT, **bed.environment, **environment}
    with log.open("wb") as out:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=out, stderr=out)
    try:
        until(_answers(process, f"http://127.0.0.1:{port}", log), START_SECONDS, f"{name} answers")
        yield Server(name, port, {"server": process.pid})
    finally:
        _end(process)


def _answers(process: "subprocess.Popen[bytes]", url: str, log: Path) -> Callable[[], bool]:
    def answers() -> bool:
        assert process.poll() is None, log.read_text(errors="replace")[-4000:]
        try:
            return httpx.get(f"{url}/health", timeout=5).status_code == 200
        except httpx.TransportError:
            return False

    return answers


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Stop a server, and kill its remaining processes: vLLM's workers do not always receive TERM."""
    if process.poll() is not None:
        return
    children = family(process.pid)[1:]
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    _, alive = psutil.wait_procs(children, timeout=5)
    for child in alive:
        child.kill()
    psutil.wait_procs(alive, timeout=5)


def events_before_text(server: Server, load: Load) -> int:
    """Return the number of events in a stream before its first text (one with the role, for example).

    Also checks that the server's answers have the requested length.
    """
    body = {**json.loads(load.bodies()[0]), "n": 1}
    whole = httpx.post(f"{server.url}/v1/chat/completions", json={**body, "stream": False}, timeout=60)
    whole.raise_for_status()
    tokens = whole.json()["usage"]["completion_tokens"]
    assert tokens == load.max_tokens, f"{server.name} answers with {tokens} tokens, not {load.max_tokens}"
    streamed = httpx.post(f"{server.url}/v1/chat/completions", json={**body, "stream": True}, timeout=60)
    for number, event in enumerate(streamed.text.split("\n\n")):
        if json.loads(event.removeprefix("data: "))["choices"][0]["delta"].get("content"):
            return number
    raise AssertionError(f"{server.name} streams no text")
