"""A PostgreSQL server of its own for a test, from Debian's packages."""

import contextlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from bench.stack import free_port

WAIT = 60


class Postgres:
    """A cluster of its own; its server refuses to run as root."""

    def __init__(self, directory: Path) -> None:
        self._bin = max(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
        self._directory = directory
        self._as_user = ["runuser", "-u", "postgres", "--"] if os.getuid() == 0 else []
        self.port = free_port()
        self.url = f"postgresql://hearth@127.0.0.1:{self.port}/postgres"
        if self._as_user:
            shutil.chown(directory, "postgres")
        self._run("initdb", "-D", str(directory / "data"), "-U", "hearth", "-A", "trust", "--no-sync", "-E", "UTF8")

    def start(self) -> None:
        options = f"-c listen_addresses=127.0.0.1 -p {self.port} -k {self._directory} -c fsync=off"
        self._control("start", "-l", str(self._directory / "log"), "-o", options)

    def stop(self) -> None:
        self._control("stop", "-m", "immediate")

    def _control(self, *arguments: str) -> None:
        self._run("pg_ctl", "-D", str(self._directory / "data"), "-w", "-t", str(WAIT), *arguments)

    def _run(self, program: str, *arguments: str) -> None:
        command = [*self._as_user, str(self._bin / program), *arguments]
        # Not through a pipe: the server that pg_ctl starts would hold it open.
        with (self._directory / "commands.log").open("a") as log:
            status = subprocess.run(command, cwd="/", stdout=log, stderr=log, timeout=2 * WAIT).returncode
        assert status == 0, (self._directory / "commands.log").read_text()


@contextlib.contextmanager
def running_postgres() -> Iterator[Postgres]:
    """Start a server with an empty database, and stop it at the end of the block."""
    # Not in pytest's directories: those are closed to the user postgres.
    with tempfile.TemporaryDirectory(prefix="hearth-pg-") as directory:
        server = Postgres(Path(directory))
        server.start()
        try:
            yield server
        finally:
            server.stop()
