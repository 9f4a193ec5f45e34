"""The servers to compare. Each is started with the same weights and engine flags, and always stopped."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil

from bench.accounting import family
from bench.beds import Bed
from bench.loads import Load
from bench.stack import Stack, free_port, until
from schemas.shared.endpoint import PROJECT_ROOT

MODEL_NAME = "hearth-demo"
"""What the model is called in requests."""
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
def hearth(run_dir: Path, bed: Bed, root: Path = PROJECT_ROOT, name: str = "hearth") -> Iterator[Server]:
    """Hearth as an operator starts it, with its default number of web workers. `root`: the directory of its code."""
    variables = {"HEARTH_MODEL": str(bed.model), "HEARTH_ENGINE_ARGS": " ".join(bed.flags), **bed.environment}
    stack = Stack(run_dir, **variables)
    stack.root = root
    if "WEB_CONCURRENCY" not in os.environ:
        del stack.env["WEB_CONCURRENCY"]
    try:
        stack.start_web()
        stack.wait_ready()
        assert stack.web is not None
        yield Server(name, stack.port, {"web": stack.web.pid, "model": stack.welcome().pid}, stack)
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
    variables = {"VLLM_USE_RUST_FRONTEND": "1", "VLLM_RUST_FRONTEND_PATH": str(binary)}
    with _vllm("rust", "bench.vllm_serve", run_dir, bed, variables) as server:
        yield server


@contextlib.contextmanager
def _vllm(name: str, module: str, run_dir: Path, bed: Bed, variables: dict[str, str]) -> Iterator[Server]:
    run_dir.mkdir(parents=True, exist_ok=True)
    port, log = free_port(), run_dir / f"{name}.log"
    command = [sys.executable, "-m", module, "--model", str(bed.model), "--served-model-name", MODEL_NAME]
    command += ["--host", "127.0.0.1", "--port", str(port), *bed.flags]
    process = begin(command, environment(bed) | variables, log)
    try:
        until(lambda: _is_healthy(process, f"http://127.0.0.1:{port}", log), START_SECONDS, f"{name} answers")
        yield Server(name, port, {"server": process.pid})
    finally:
        end(process)


def environment(bed: Bed) -> dict[str, str]:
    """Return the variables that vLLM's own processes start with."""
    return {**os.environ, **VLLM_ENVIRONMENT, **bed.environment}


def begin(command: list[str], variables: dict[str, str], log: Path) -> "subprocess.Popen[bytes]":
    """Start a server whose output goes to `log`."""
    with log.open("wb") as out:
        return subprocess.Popen(command, cwd=PROJECT_ROOT, env=variables, stdout=out, stderr=out)


def _is_healthy(process: "subprocess.Popen[bytes]", url: str, log: Path) -> bool:
    check_alive(process, log)
    try:
        return httpx.get(f"{url}/health", timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def check_alive(process: "subprocess.Popen[bytes]", log: Path) -> None:
    """Raise `AssertionError` with the end of the log if a server has ended."""
    assert process.poll() is None, log.read_text(errors="replace")[-4000:]


def end(process: "subprocess.Popen[bytes]") -> None:
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
