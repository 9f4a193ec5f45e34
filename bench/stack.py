"""A complete Hearth for the benchmark and the tests: real gunicorn, ZeroMQ and vLLM, with the demo model."""

import contextlib
import os
import random
import signal
import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import psutil

from schemas import wire
from schemas.shared.curve import read_client_keys
from schemas.shared.endpoint import PROJECT_ROOT

LOAD_SECONDS = 240.0
ASK_SECONDS = 60.0
TLS = ssl.create_default_context()
"""For clients of httpx: each would read the host's certificates anew, for plain HTTP too, in 50 ms of CPU."""


def free_port() -> int:
    """Return a free port of 127.0.0.1, outside the range from which the kernel takes ports for outgoing connections."""
    while True:
        port = random.SystemRandom().randint(10_000, 30_000)
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port


def until(condition: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait for `condition` to return a true value, and return it. Raises `AssertionError` after `seconds`."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {seconds:g} s: {what}")
        time.sleep(0.05)


class Stack:
    """One run directory, one port, and the processes that use them."""

    def __init__(self, run_dir: Path, **env: str) -> None:
        """`env` is what the operator sets."""
        self.run_dir = run_dir
        self.root = PROJECT_ROOT
        """The directory of Hearth's code."""
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        inherited = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}
        self.env = {
            **inherited,
            "HEARTH_RUN_DIR": str(run_dir),
            "HEARTH_BIND": f"127.0.0.1:{self.port}",
            "WEB_CONCURRENCY": "2",
            **env,
        }
        self.endpoint = env.get("HEARTH_ENGINE_ENDPOINT", f"ipc://{run_dir}/engine.sock")
        self.headers: dict[str, str] = {}
        """Sent with every request."""
        self.web: subprocess.Popen[bytes] | None = None
        self.web_log = run_dir / "web.log"
        self.python = Path(sys.executable)
        """The Python that runs both tiers; gunicorn is beside it."""

    # ---- processes ---------------------------------------------------------------------------------------------

    def start_web(self, seconds: float = 30.0) -> None:
        """Run `gunicorn wsgi:app` as an operator does. It also starts the engine, unless HEARTH_ENGINE_SPAWN=0.

        `seconds`: within which it must answer.
        """
        self.run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self.web_log.open("ab") as log:
            self.web = subprocess.Popen(
                [str(self.python.with_name("gunicorn")), "wsgi:app"],
                cwd=self.root,
                env=self.env,
                stdout=log,
                stderr=log,
            )
        until(self._answers, seconds, "gunicorn answers")

    def stop_web(self, number: int = signal.SIGTERM) -> int:
        assert self.web is not None
        self.web.send_signal(number)
        status = self.web.wait(120)
        self.web = None
        return status

    def engine(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run `python -m engine_proc ...` until it exits. Raises `AssertionError` if `check` is set and it fails."""
        done = subprocess.run(
            [str(self.python), "-m", "engine_proc", *arguments],
            cwd=self.root,
            env=self.env,
            capture_output=True,
            text=True,
            timeout=LOAD_SECONDS + 20,
            check=False,
        )
        if check and done.returncode:
            log = self.run_dir / "engine.log"
            tail = log.read_text(errors="replace")[-4000:] if log.exists() else ""
            raise AssertionError(f"engine_proc {arguments} exited with status {done.returncode}\n{done.stderr}\n{tail}")
        return done

    def wait_ready(self) -> None:
        """Wait until the model is loaded and every web worker is ready."""
        self.engine("wait", "--seconds", str(LOAD_SECONDS))
        # Each request has its own connection, so that every web worker gets one.
        until(lambda: all(self.get("/ready").status_code == 200 for _ in range(8)), 60, "/ready is 200")

    def shut_down(self) -> None:
        """Stop all processes, in whatever state they are. Raises `TimeoutExpired` if the web tier had to be killed."""
        try:
            if self.web is not None:
                self.stop_web()
        except subprocess.TimeoutExpired:
            for process in [self.web, *self.workers()]:
                process.kill()
            raise
        finally:
            self.engine("stop", check=False)

    def workers(self) -> list[psutil.Process]:
        """Return the processes of the web workers."""
        assert self.web is not None
        children: list[psutil.Process] = psutil.Process(self.web.pid).children()
        return children

    # ---- requests ----------------------------------------------------------------------------------------------

    def ask(self, *messages: wire.Message) -> list[Any]:
        replies = self.ask_briefly(*messages, seconds=ASK_SECONDS)
        assert replies is not None, "the engine does not answer"
        return replies

    def ask_briefly(self, *messages: wire.Message, seconds: float) -> list[Any] | None:
        """Send `messages` to the engine and return its replies, or None if they do not arrive within `seconds`."""
        from engine_proc.commands.asking import ask  # not at the top: web-tier tests must not import the engine

        curve = self.env.get("HEARTH_CURVE_KEYS")
        keys = read_client_keys(Path(curve)) if curve else None
        replies: list[Any] | None = ask(self.endpoint, *messages, keys=keys, seconds=seconds)
        return replies

    def welcome(self) -> wire.Welcome:
        (welcome,) = self.ask(wire.Hello(major=wire.MAJOR, minor=wire.MINOR, client="test"))
        assert isinstance(welcome, wire.Welcome)
        return welcome

    def get(self, path: str) -> httpx.Response:
        return httpx.get(self.url + path, headers=self.headers, timeout=30, verify=TLS)

    def _answers(self) -> bool:
        assert self.web is not None
        assert self.web.poll() is None, self.web_log.read_text()[-4000:]
        try:
            return self.get("/health").status_code == 200
        except httpx.TransportError:
            return False
