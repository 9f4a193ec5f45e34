"""A process that has imported vLLM, and forks programs that would import it: `python -m tests.warm.stock SOCKET`.

An import of vLLM takes 9 s of CPU, two thirds of a load. A connection to the socket brings a program (`forks.Program`)
with its descriptors. A process between this one and the program waits for its end: the answers are the program's pid
and, once it has ended, its status.
"""

import contextlib
import gc
import os
import signal
import socket
import sys
from pathlib import Path

import msgspec

from tests.warm import forks

MOST_BYTES = 1024 * 1024
"""Of a program with its environment."""


def main(path: str) -> None:
    """Import vLLM, and serve until the parent ends. The socket is there once programs can be forked."""
    _import_vllm()
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(path)
    listener.listen(16)
    kept = forks.open_descriptors() - {listener.fileno()}
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # nobody waits for the processes between
    while True:
        connection, _ = listener.accept()
        with connection:
            message, received, _, _ = socket.recv_fds(connection, MOST_BYTES, 16)
            if message and not os.fork():
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                _start(msgspec.json.decode(message, type=forks.Program), connection, received, kept)
            for fd in received:
                os.close(fd)


def _start(program: forks.Program, connection: socket.socket, received: list[int], kept: frozenset[int]) -> None:
    pid = os.fork()
    if not pid:
        forks.become(program, received, kept)
    for fd in received:
        os.close(fd)
    with contextlib.suppress(OSError):  # the one who asked may have ended
        connection.send(str(pid).encode())
        _, status = os.waitpid(pid, 0)
        connection.send(str(status).encode())
    os._exit(0)


def _import_vllm() -> None:
    from engine_proc.adapter.loading.children import PARENT_VARIABLE, die_with_parent
    from engine_proc.adapter.loading.environment import set_vllm_environment

    die_with_parent()
    set_vllm_environment(Path("/nonexistent"))
    gc.disable()
    from engine_proc.adapter.calls import parsing  # noqa: F401
    from engine_proc.adapter.loading import model  # noqa: F401
    from engine_proc.answering import starting  # noqa: F401

    gc.enable()
    gc.freeze()
    del os.environ[PARENT_VARIABLE]  # what is forked from here has other parents


if __name__ == "__main__":
    main(sys.argv[1])
