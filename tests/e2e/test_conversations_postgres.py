"""Two web hosts that share conversations through a real PostgreSQL, from Debian's packages."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.harness import Hearth, free_port, until

pytestmark = pytest.mark.field("conversation_id")

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


@pytest.fixture(scope="module")
def postgres() -> Iterator[Postgres]:
    # Not in pytest's directories: those are closed to the user postgres.
    with tempfile.TemporaryDirectory(prefix="hearth-pg-") as directory:
        server = Postgres(Path(directory))
        server.start()
        yield server
        server.stop()


@pytest.fixture
def hosts(hearth: Hearth, postgres: Postgres, tmp_path: Path) -> Iterator[list[Hearth]]:
    """Two web tiers that start at the same time, over the one engine and an empty database."""
    engine = {"HEARTH_ENGINE_ENDPOINT": f"ipc://{hearth.run_dir}/engine.sock", "HEARTH_ENGINE_SPAWN": "0"}
    webs = [Hearth(tmp_path / name, HEARTH_DATABASE_URL=postgres.url, **engine) for name in ("one", "two")]
    try:
        for web in webs:
            web.start_web()
        yield webs
    finally:
        for web in webs:
            if web.web is not None:
                web.stop_web()


def kept(host: Hearth, name: str) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = host.get(f"/v1/conversations/{name}").json()["messages"]
    return messages


def test_hosts_share_conversations(hosts: list[Hearth], postgres: Postgres) -> None:
    one, two = hosts

    def say(number: int) -> str:
        return hosts[number % 2].chat(f"Question {number}", conversation_id="many", max_tokens=4)

    # The first requests of all: four workers make the table at once.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(say, range(12)))
    assert kept(one, "many") == kept(two, "many")
    assert len(kept(one, "many")) == 24
    assert sorted(message["content"] for message in kept(one, "many")[1::2]) == sorted(answers)

    one.chat("我叫小明。", conversation_id="小明")
    one.stop_web()
    two.stop_web()
    two.start_web()
    assert two.chat("我叫什么名字？", conversation_id="小明") == "你叫小明。"

    postgres.stop()
    body = {"messages": [{"role": "user", "content": "Hello!"}], "conversation_id": "小明"}
    refused = two.post("/v1/chat/completions", body)
    assert (refused.status_code, refused.json()["error"]["code"]) == (503, "conversation_store_unavailable")
    assert two.chat("Hello!"), "what needs no conversation goes on"
    postgres.start()
    until(lambda: two.post("/v1/chat/completions", body).status_code == 200, 20, "the database is found again")
    assert len(kept(two, "小明")) == 6
