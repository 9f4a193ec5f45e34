"""SMG (Shepherd Model Gateway): a front end in Rust that speaks to vLLM's EngineCore over ZeroMQ, as Hearth does.

It is fetched from PyPI once, into a directory of its own, and starts beside a vLLM without a front end (`--headless`).
"""

import contextlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx

from bench.beds import Bed
from bench.contenders import MODEL_NAME, START_SECONDS, Server, begin, check_alive, end, environment
from bench.rust_binary import CACHE
from bench.stack import free_port, until

VERSION = "1.13.0"
FIRST_PORT, PORTS = 20_000, 10_000
"""The range of the ports at which SMG waits for an engine to introduce itself."""


def find_or_fetch() -> tuple[Path | None, str]:
    """Return the directory that Python finds SMG in, or None and the reason. Downloads it once."""
    directory = CACHE / f"smg-{VERSION}"
    if directory.exists():
        return directory, ""
    CACHE.mkdir(exist_ok=True)
    sys.stderr.write(f"bench: downloading SMG {VERSION}, about 45 MB\n")
    with tempfile.TemporaryDirectory(dir=CACHE) as unfinished:
        target = Path(unfinished, "smg")
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(target), f"smg=={VERSION}"]
        done = subprocess.run(command, check=False, stderr=subprocess.PIPE, text=True)
        if done.returncode:
            return None, f"pip could not install smg {VERSION}: {(done.stderr.strip().splitlines() or ['?'])[-1]}"
        target.rename(directory)
    return directory, ""


@contextlib.contextmanager
def smg(run_dir: Path, bed: Bed, directory: Path) -> Iterator[Server]:
    """SMG and an EngineCore, with SMG's own defaults for a single engine."""
    run_dir.mkdir(parents=True, exist_ok=True)
    port, engine = free_port(), f"ipc://{run_dir}/core"
    router = [sys.executable, "-m", "smg", "launch", "--host", "127.0.0.1", "--port", str(port)]
    router += ["--backend", "vllm", "--worker-urls", engine, "--model-path", str(bed.model)]
    router += ["--model-alias", f"{MODEL_NAME}={bed.model}", "--prometheus-port", str(free_port())]
    router += ["--policy", "passthrough", "--disable-retries", "--disable-circuit-breaker"]
    core = [sys.executable, "-m", "bench.vllm_serve", "--model", str(bed.model), "--headless", *bed.flags]
    core += ["--data-parallel-size", "1", "--data-parallel-size-local", "1"]
    core += ["--data-parallel-address", "127.0.0.1", "--data-parallel-rpc-port", str(handshake_port(engine))]
    log = run_dir / "smg.log"
    processes: list[subprocess.Popen[bytes]] = []
    try:
        processes.append(begin(router, {**os.environ, "PYTHONPATH": str(directory)}, log))
        processes.append(begin(core, environment(bed), run_dir / "core.log"))
        until(lambda: _generates(processes, f"http://127.0.0.1:{port}", log), START_SECONDS, "SMG answers")
        yield Server("smg", port, {"router": processes[0].pid, "core": processes[1].pid})
    finally:
        for process in processes:
            end(process)


def _generates(processes: "list[subprocess.Popen[bytes]]", url: str, log: Path) -> bool:
    """Return whether a token can be had: SMG's own `/health` is 200 before there is an engine."""
    for process in processes:
        check_alive(process, log)
    body = {"model": MODEL_NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 1}
    try:
        return httpx.post(f"{url}/v1/chat/completions", json=body, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


def handshake_port(url: str) -> int:
    """Return the port at which SMG waits for the engine of `url`: it makes it of the path, by FNV-1a."""
    hashed = 0xCBF29CE484222325
    for byte in url.removeprefix("ipc://").encode():
        hashed = ((hashed ^ byte) * 0x100000001B3) % 2**64
    return FIRST_PORT + hashed % PORTS
