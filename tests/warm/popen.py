"""`subprocess.Popen` for programs that import vLLM: they are forked from a process that has imported it."""

import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from typing import Any

import msgspec

from tests.warm import forks

STOCK = "WARM_STOCK"
"""Environment variable: the path of the stock's socket (tests/warm/stock.py)."""
DIGEST = "WARM_DIGEST"
"""Environment variable: the `digest` of the stock's environment."""
ANSWER_SECONDS = 20.0
"""How long a program may wait for its start, on a host that is busy."""
OWN = ("HEARTH_", "WARM_", "PYTEST_", "TEST_", "SERVER_", "WEB_", "PROMETHEUS_", "VLLM_CPU_OMP_THREADS_BIND")
"""Prefixes of variables that vLLM's import does not read."""
FROM_STOCK = ("engine_proc", "engine_proc.process.trial")
FROM_SUPERVISOR = "engine_proc.process.model_process"


def digest(env: Mapping[str, str]) -> str:
    """Return a text that is the same for environments in which vLLM's import does the same."""
    read = sorted(item for item in env.items() if not item[0].startswith(OWN))
    return hashlib.sha256(msgspec.json.encode(read)).hexdigest()


class _Forked(subprocess.Popen[Any]):
    """A program that `_starts` knows is forked, all others are started as ever."""

    def _execute_child(self, args: Any, *more: Any) -> None:
        pass_fds, cwd, env = more[3:6]
        pipes, group = more[9:15], more[-1]
        module = args[2] if isinstance(args, list) and args[1:2] == ["-m"] else ""
        environment = dict(os.environ if env is None else env)
        if not self._starts(module, environment):
            super()._execute_child(args, *more)  # type: ignore[misc]
            return
        theirs = (pipes[0], pipes[3], pipes[5])
        standard = [own if given == -1 else given for own, given in enumerate(theirs)]
        program = forks.Program(
            module=module,
            argv=list(args[3:]),
            env=environment,
            cwd=str(cwd or os.getcwd()),  # noqa: PTH109
            process_group=group,
            numbers=[0, 1, 2, *pass_fds],
        )
        self.pid = self._fork(program, [*standard, *pass_fds])
        self._child_created = True
        self._close_pipe_fds(*pipes)  # type: ignore[attr-defined]

    def _starts(self, module: str, env: dict[str, str]) -> bool:
        raise NotImplementedError

    def _fork(self, program: forks.Program, descriptors: list[int]) -> int:
        """Start the program, and return its pid."""
        raise NotImplementedError


class FromStock(_Forked):
    """Asks the stock for engines and for trials of `doctor`. How they end is told by the stock too."""

    _connection: socket.socket | None = None

    def _starts(self, module: str, env: dict[str, str]) -> bool:
        if module not in FROM_STOCK or env.get(DIGEST) != digest(env) or env.get("HEARTH_LOG_FORMAT") == "json":
            return False
        connection = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        connection.settimeout(ANSWER_SECONDS)
        try:
            connection.connect(env[STOCK])
        except OSError:
            connection.close()
            return False
        self._connection = connection
        return True

    def _fork(self, program: forks.Program, descriptors: list[int]) -> int:
        assert self._connection is not None
        socket.send_fds(self._connection, [msgspec.json.encode(program)], descriptors)
        return int(self._connection.recv(64))

    def _try_wait(self, wait_flags: int) -> tuple[int, int]:
        if self._connection is None:
            return super()._try_wait(wait_flags)  # type: ignore[misc,no-any-return]
        self._connection.settimeout(0 if wait_flags & os.WNOHANG else None)
        try:
            return self.pid, int(self._connection.recv(64) or 1)
        except BlockingIOError:
            return 0, 0

    def _internal_poll(self, *defaults: Any, **more: Any) -> int | None:
        if self._connection is None:
            return super()._internal_poll(*defaults, **more)  # type: ignore[misc,no-any-return]
        if self.returncode is None:
            pid, status = self._try_wait(os.WNOHANG)
            if pid:
                self._handle_exitstatus(status)  # type: ignore[attr-defined]
        return self.returncode


class FromSupervisor(_Forked):
    """The model process of a supervisor that comes from the stock is a fork of it: both have imported vLLM."""

    kept = frozenset[int]()
    """The descriptors that the stock's libraries have opened."""

    def _starts(self, module: str, env: dict[str, str]) -> bool:
        return module == FROM_SUPERVISOR and "vllm" in sys.modules

    def _fork(self, program: forks.Program, descriptors: list[int]) -> int:
        pid = os.fork()
        if not pid:
            forks.become(program, descriptors, self.kept)
        return pid
