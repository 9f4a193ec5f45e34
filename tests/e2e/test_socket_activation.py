"""With systemd's socket, connections wait while there is no web tier."""

import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx

from schemas.shared.endpoint import PROJECT_ROOT
from tests.e2e.activation import activated
from tests.e2e.load import Load
from tests.e2e.masters import master_of, replace_master, replaceable
from tests.harness import Hearth, free_port, until

UNIT = PROJECT_ROOT / "deploy/systemd/hearth-web.service"


def test_the_units_command_is_started_by_the_first_connection(hearth: Hearth) -> None:
    """By systemd's own tool, which listens and runs a command as systemd does."""
    hearth.stop_web()
    (command,) = re.findall(r"^ExecStart=(.*)$", UNIT.read_text(), re.MULTILINE)
    command = command.replace("/opt/hearth/.venv/bin", str(Path(sys.executable).parent))
    port = free_port()
    env = {**hearth.env, "HEARTH_ENGINE_SPAWN": "0"}
    names = [f"--setenv={name}" for name in env if name.startswith("HEARTH_") or name == "WEB_CONCURRENCY"]
    listen = ["systemd-socket-activate", f"--listen=127.0.0.1:{port}", *names]
    with hearth.web_log.open("ab") as log:
        process = subprocess.Popen([*listen, *command.split()], cwd=PROJECT_ROOT, env=env, stdout=log, stderr=log)
    try:
        until(lambda: answers(port), 60, "the first connection is answered")
        assert master_of(hearth) == process.pid
    finally:
        process.terminate()
        assert process.wait(120) == 0
    hearth.start_web()


def answers(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/ready", timeout=30).status_code == 200
    except httpx.ConnectError:
        return False  # the tool does not listen yet


def test_a_connection_waits_for_the_web_tier(hearth: Hearth) -> None:
    with activated(hearth) as web:
        hearth.stop_web()
        with ThreadPoolExecutor(1) as pool:
            early = pool.submit(hearth.chat, "Who are you?")
            web.start()
            assert "Hearth" in early.result(60)


def test_a_full_restart_under_load(hearth: Hearth) -> None:
    with activated(hearth) as web, Load(hearth.url) as load:
        for _ in range(2):
            web.restart()
            load.goes_on()
    load.check()


def test_a_new_master_gets_the_socket_too(hearth: Hearth) -> None:
    with activated(hearth), replaceable(hearth, restart=False), Load(hearth.url) as load:
        for _ in range(2):
            replace_master(hearth)
            load.goes_on()
    load.check()
