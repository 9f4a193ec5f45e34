"""A web tier that gets its listening socket from whoever starts it, as systemd's hearth-web.socket gives it."""

import contextlib
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, until

GUNICORN = Path(sys.executable).with_name("gunicorn")
PROGRAM = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ |= {"LISTEN_PID": str(os.getpid()), "LISTEN_FDS": "1"}
os.execv(sys.argv[2], [sys.argv[2], "wsgi:app"])
"""
"""systemd's protocol: the socket is descriptor 3, and LISTEN_PID says whom it is for."""


class Activated:
    """Holds the socket of `hearth`'s address while its web tier comes and goes."""

    def __init__(self, hearth: Hearth, listener: socket.socket) -> None:
        self.hearth = hearth
        self._listener = listener

    def start(self) -> None:
        """Returns when the web tier answers."""
        fd = self._listener.fileno()
        with self.hearth.web_log.open("ab") as log:
            self.hearth.web = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(fd), str(GUNICORN)],
                cwd=PROJECT_ROOT,
                env={**self.hearth.env, "HEARTH_BIND": "127.0.0.1:1", "HEARTH_ENGINE_SPAWN": "0"},
                stdout=log,
                stderr=log,
                pass_fds=[fd],
            )
        until(lambda: self.hearth.get("/health").status_code == 200, 60, "the web tier answers")

    def restart(self) -> None:
        """Stop it, and start it when nothing is left of it."""
        assert self.hearth.stop_web() == 0
        self.start()


@contextlib.contextmanager
def activated(hearth: Hearth) -> Iterator[Activated]:
    """`hearth` with its web tier so started; afterwards with an ordinary one again."""
    hearth.stop_web()
    with socket.socket() as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", hearth.port))
        listener.listen(2048)
        held = Activated(hearth, listener)
        try:
            held.start()
            yield held
        finally:
            if hearth.web is not None:
                hearth.stop_web()
    hearth.start_web()
