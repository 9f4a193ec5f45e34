"""Start Hearth for a test, and send it requests: the real web tier, the real engine and the demo model."""

import atexit
import contextlib
import functools
import os
import subprocess
import sys
import tempfile
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
from anthropic import Anthropic
from anthropic import DefaultHttpxClient as DefaultAnthropicHttpxClient
from openai import AsyncOpenAI, DefaultAsyncHttpxClient, DefaultHttpxClient, OpenAI

from bench.stack import LOAD_SECONDS, TLS, Stack, free_port, until
from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests import turns
from tests.warm import popen

__all__ = [
    "JSON",
    "LOAD_SECONDS",
    "TLS",
    "Hearth",
    "chat_body",
    "endless",
    "free_port",
    "processes_of",
    "renew",
    "serving",
    "until",
]

JSON = {"Content-Type": "application/json"}
FORKED = {"PYTHONPATH": str(Path(__file__).with_name("warm")), "OMP_NUM_THREADS": "1"}
SPAWNED = {"PYTHONPATH": ""}
"""Environments in which vLLM's processes are forked, which is quicker (see tests/warm), and spawned as ever.

vLLM tells a spawned worker how many OpenMP threads to use, one on two cores. A forked one has loaded OpenMP before, and
would use as many as there are cores: they spin while they wait for each other, and two engines on two cores then need
three to five times the CPU for the same answers.
"""
RENEWAL_SECONDS = 20
FOUND = {"SPT_NOENV": "1"}
"""An environment in which `processes_of` finds gunicorn's processes: else their names are written over it."""


@functools.cache
def begin_stock() -> Callable[[], dict[str, str]]:
    """Start the process from which engines are forked (tests/warm/stock.py), once in a process of pytest's.

    Returns a function that waits until it has imported vLLM, and returns the environment in which `hearth start` and
    `hearth doctor` use it. It ends with the process that called this.
    """
    directory = tempfile.TemporaryDirectory(prefix="hearth-stock-")
    path = Path(directory.name, "socket")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
    env = {**inherited, **FORKED, **FOUND, **turns.ENVIRONMENT}
    command = [sys.executable, "-m", "tests.warm.stock", str(path)]
    process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=env, stderr=subprocess.DEVNULL)
    atexit.register(directory.cleanup)
    atexit.register(process.kill)

    def environment() -> dict[str, str]:
        # Where the import fails, engines are started as ever, and say why.
        until(lambda: path.exists() or process.poll() is not None, LOAD_SECONDS, "the stock has imported vLLM")
        return {**FORKED, **FOUND, popen.STOCK: str(path), popen.DIGEST: popen.digest(env)}

    return environment


class Hearth(Stack):
    """A Hearth with its own run directory and port, and the clients that tests use."""

    def __init__(self, run_dir: Path, *, key: str = "none", **env: str) -> None:
        """`key` is the API key that every request sends. `SPAWNED` in `env`: load as the product does."""
        super().__init__(run_dir, **{**FORKED, **FOUND, **turns.ENVIRONMENT, **env})
        if self.env["PYTHONPATH"] == FORKED["PYTHONPATH"] and self.env.get("HEARTH_ENGINE_SPAWN") != "0":
            self.env |= begin_stock()()
        turns.records.add(run_dir)
        _of_run_dir[run_dir] = self
        self.key = key
        self.headers = {"Authorization": f"Bearer {key}"}

    def bring_up(self) -> None:
        """Start the web tier and the engine where they are not running, and wait until they are ready."""
        if self.web is None:
            self.start_web()
        if not self.is_loaded():
            self.engine("start")
            self.wait_ready()

    def renew(self, tier: str) -> None:
        """Have new processes serve, "web" workers or an "engine", where some do: what they do once, they do again."""
        if tier == "engine" and self.is_loaded():
            self.engine("stop")
            self.engine("start")
            self.wait_ready()
        if tier == "web" and self.web is not None and self.web.poll() is None:
            before = self.workers()
            for worker in before:
                worker.terminate()
            psutil.wait_procs(before, timeout=RENEWAL_SECONDS)
            until(lambda: set(before).isdisjoint(self.workers()), RENEWAL_SECONDS, "other workers serve")

    def shut_down(self) -> None:
        """Stop both tiers, whatever state they are in. Fail if a process is left."""
        super().shut_down()
        until(lambda: not processes_of(str(self.run_dir)), 10, "no process of either tier is left")

    def is_loaded(self) -> bool:
        """Return whether an engine is running and has loaded its model."""
        replies = self.ask_briefly(wire.Ping(), seconds=2)
        return replies is not None and bool(replies[0].load.ready)

    def pong(self) -> wire.Pong:
        """Return the engine's answer to a ping."""
        (pong,) = self.ask(wire.Ping())
        assert isinstance(pong, wire.Pong)
        return pong

    def live(self) -> int:
        """Return how many requests are live in the engine."""
        return self.pong().live

    def identity(self) -> tuple[int, int]:
        """Return the model process's pid and load count, which change whenever the model is loaded again."""
        welcome = self.welcome()
        return welcome.pid, welcome.load_count

    def openai(self) -> OpenAI:
        client = DefaultHttpxClient(verify=TLS)
        return OpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=60, http_client=client)

    def async_openai(self) -> AsyncOpenAI:
        client = DefaultAsyncHttpxClient(verify=TLS)
        return AsyncOpenAI(base_url=f"{self.url}/v1", api_key=self.key, max_retries=0, timeout=60, http_client=client)

    def anthropic(self) -> Anthropic:
        client = DefaultAnthropicHttpxClient(verify=TLS)
        return Anthropic(base_url=self.url, api_key=self.key, max_retries=0, timeout=60, http_client=client)

    def post(self, path: str, body: Any, headers: dict[str, str] | None = None) -> httpx.Response:
        """POST `body`, bytes as they are and anything else as JSON, and return the response."""
        given = {**self.headers, **(headers or {})}
        if isinstance(body, bytes):
            return httpx.post(self.url + path, content=body, headers={**given, **JSON}, timeout=60, verify=TLS)
        return httpx.post(self.url + path, json=body, headers=given, timeout=60, verify=TLS)

    def chat(self, text: str, **fields: Any) -> str:
        """Return the greedy answer to `text`."""
        body = {"messages": [{"role": "user", "content": text}], "temperature": 0, **fields}
        response = self.post("/v1/chat/completions", body)
        assert response.status_code == 200, response.text
        content: str = response.json()["choices"][0]["message"]["content"]
        return content

    @contextlib.contextmanager
    def stream(self, path: str, body: dict[str, Any]) -> Iterator[httpx.Response]:
        """Yield the response of a streamed POST. The connection is closed at the end of the block."""
        whole = {**body, "stream": True}
        url = self.url + path
        with httpx.stream("POST", url, json=whole, headers=self.headers, timeout=60, verify=TLS) as response:
            yield response


_of_run_dir: weakref.WeakValueDictionary[Path, Hearth] = weakref.WeakValueDictionary()
"""The Hearths of this process that are in use."""


def renew(slow: Iterable[turns.SlowTurn]) -> None:
    """Renew the processes in which these turns were long, and those beside them (`Hearth.renew`)."""
    for run_dir, tier in {(turn.run_dir, turn.tier) for turn in slow}:
        if run_dir is not None and (hearth := _of_run_dir.get(run_dir)) is not None:
            hearth.renew(tier)


@contextlib.contextmanager
def serving(run_dir: Path, *, ready: bool = True, key: str = "none", **env: str) -> Iterator[Hearth]:
    """Start a Hearth with the environment variables `env`, and stop it at the end of the block."""
    stack = Hearth(run_dir, key=key, **env)
    try:
        stack.start_web()
        if ready:
            stack.wait_ready()
        yield stack
    finally:
        stack.shut_down()


def chat_body(text: str, **fields: Any) -> dict[str, Any]:
    return {"messages": [{"role": "user", "content": text}], "temperature": 0, **fields}


def endless(**fields: Any) -> dict[str, Any]:
    """Return a chat body whose answers take so long that a test can act while they are generated."""
    return chat_body("Count from 1 to 100.", **{"ignore_eos": True, "max_tokens": 1900, "n": 32, **fields})


def processes_of(marker: str) -> list[psutil.Process]:
    """Return all processes that have `marker` in their environment, which must have `FOUND`, too, or that write to a
    log in the directory `marker`: those that are forked keep the environment of the stock. Children that change their
    names, as vLLM's do, keep both.
    """
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            its_own = marker in process.environ().values() or _log_of(process.pid).startswith(f"{marker}/")
            if its_own and process.status() != psutil.STATUS_ZOMBIE:
                found.append(process)
    return found


def _log_of(pid: int) -> str:
    """Return the path of the file that is a process's standard error. Raises `OSError`: it has ended, or is another
    user's.
    """
    return str(Path(f"/proc/{pid}/fd/2").readlink())
