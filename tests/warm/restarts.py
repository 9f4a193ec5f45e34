"""A process that has imported vLLM, from which a supervisor's second and later model processes are forked.

An import of vLLM takes 9 s of CPU, two thirds of a load, and tests end dozens of engines. The first model process of a
supervisor is started as ever. In place of the second, `Popen` starts a stock: a model process that stops before its
first line (tests/warm/sitecustomize.py), imports vLLM, and then forks a process for each message of the supervisor's.
What is forked is the supervisor's child, in a process group of its own, and runs the main module from its first line.
"""

import ctypes
import gc
import json
import os
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

STOCK_FD = "HEARTH_TEST_STOCK_FD"
"""Environment variable of the stock: the descriptor of its socket."""
MODEL_PROCESS = "engine_proc.process.model_process"
_PR_SET_CHILD_SUBREAPER = 36


class Popen(subprocess.Popen[Any]):
    """`subprocess.Popen` of a supervisor: from the second on, its model processes are forked from the stock."""

    _model_processes = 0
    _stock: "subprocess.Popen[Any] | None" = None
    _socket: socket.socket | None = None

    def _execute_child(self, args: Any, *more: Any) -> None:
        if MODEL_PROCESS not in args or os.environ.get(STOCK_FD):
            super()._execute_child(args, *more)  # type: ignore[misc]
            return
        Popen._model_processes += 1
        if Popen._model_processes == 1:
            super()._execute_child(args, *more)  # type: ignore[misc]
            return
        _, _, _, pass_fds, cwd, env = more[:6]
        if Popen._stock is None:
            _fill_stock(args, cwd, env)
        if not self._fork(env, list(pass_fds)):  # its import has failed, and the process will say why
            _empty_stock()
            super()._execute_child(args, *more)  # type: ignore[misc]

    def _fork(self, env: dict[str, str], pass_fds: list[int]) -> bool:
        """Let the stock fork a process, which becomes this one. Returns False where the stock has ended."""
        assert Popen._socket is not None
        # The process that the stock forks loses its parent at once, and the kernel gives it to the next subreaper.
        _prctl(_PR_SET_CHILD_SUBREAPER, 1)
        try:
            socket.send_fds(Popen._socket, [json.dumps([env, pass_fds]).encode()], pass_fds)
            answer = Popen._socket.recv(64)
        except ConnectionError:
            answer = b""
        finally:
            _prctl(_PR_SET_CHILD_SUBREAPER, 0)
        if answer:
            self.pid = int(answer)
            self._child_created = True
        return bool(answer)

    def wait(self, timeout: float | None = None) -> int:
        """As ever. A model process that ends on purpose is the last: the stock goes before the supervisor does."""
        status = super().wait(timeout)
        if status == 0:
            _empty_stock()
        return status

    def terminate(self) -> None:
        _empty_stock()
        super().terminate()


def _fill_stock(args: list[str], cwd: Any, env: dict[str, str]) -> None:
    """Start the stock. Returns at once: the first answer waits for the import."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with theirs:
        fd = theirs.fileno()
        Popen._stock = _Started(args, cwd=cwd, env={**env, STOCK_FD: str(fd)}, pass_fds=[fd], process_group=0)
    Popen._socket = ours


_Started = subprocess.Popen
"""As Python has it."""


def _empty_stock() -> None:
    stock, Popen._stock = Popen._stock, None
    if stock is not None:
        stock.kill()
        stock.wait()


def be_the_stock() -> None:
    """Import vLLM, and fork. Returns only in a process that is forked for a supervisor, before its main module runs."""
    sys.path.insert(0, str(Path.cwd()))  # as `python -m` does, but later than this
    from engine_proc.adapter.loading.children import die_with_parent
    from engine_proc.adapter.loading.environment import set_vllm_environment, set_vllm_json_logging
    from engine_proc.settings import read_settings_or_exit

    die_with_parent()
    with socket.socket(fileno=int(os.environ.pop(STOCK_FD))) as supervisor:
        settings = read_settings_or_exit()
        set_vllm_environment(settings.run_dir)
        if settings.log_format == "json":
            set_vllm_json_logging(settings.run_dir)
        gc.disable()
        from engine_proc.adapter.calls import parsing  # noqa: F401
        from engine_proc.adapter.loading import model  # noqa: F401
        from engine_proc.answering import starting  # noqa: F401

        gc.enable()
        gc.freeze()
        while _serve(supervisor):
            pass
    del sys.path[0]


def _serve(supervisor: socket.socket) -> bool:
    """Fork a process for the next message. Returns False in this process, and True in the stock."""
    message, received, _, _ = socket.recv_fds(supervisor, 65536, 8)
    if not message:
        os._exit(0)
    between = os.fork()
    if between:
        os.waitpid(between, 0)
        for fd in received:
            os.close(fd)
        return True
    between = os.getpid()
    if os.fork():
        os._exit(0)
    while os.getppid() == between:
        time.sleep(0.001)
    os.setpgrp()
    environment, numbers = json.loads(message)
    # Only what differs: the title of a process is written where its first variables have been from the start.
    for name in os.environ.keys() - environment.keys():
        del os.environ[name]
    os.environ.update({name: value for name, value in environment.items() if os.environ.get(name) != value})
    for fd, number in zip(received, numbers, strict=True):
        os.dup2(fd, number)
    supervisor.send(str(os.getpid()).encode())
    return False


def _prctl(option: int, value: int) -> None:
    ctypes.CDLL(None, use_errno=True).prctl(option, value)
