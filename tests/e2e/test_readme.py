"""The README's commands, run as they stand but for the port and the run directory."""

import os
import pty
import re
import shlex
import signal
import subprocess
import sys
import threading
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, until
from tests.readme import blocks
from webapp.api_keys import parse_keys

README = PROJECT_ROOT / "README.md"


def shown(text: str) -> str:
    """The one block of the README with `text` in it."""
    (block,) = [block for block in blocks(README, "sh") if text in block]
    return block


def here(hearth: Hearth, command: str) -> str:
    return command.replace("127.0.0.1:6006", f"127.0.0.1:{hearth.port}").replace("run/", f"{hearth.run_dir}/")


def run(hearth: Hearth, *command: str) -> str:
    env = {**hearth.env, "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"}
    done = subprocess.run(command, cwd=PROJECT_ROOT, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_curl(hearth: Hearth) -> None:
    assert "Hearth" in run(hearth, "bash", "-c", here(hearth, shown("curl")))


def test_python(hearth: Hearth) -> None:
    (program,) = blocks(README, "python")
    assert "kill -HUP" in run(hearth, sys.executable, "-c", here(hearth, program))


def test_hup(hearth: Hearth) -> None:
    before = {worker.pid for worker in hearth.workers()}
    run(hearth, "bash", "-c", here(hearth, shown("kill")))
    until(lambda: not before & {worker.pid for worker in hearth.workers()}, 10, "the workers are new")
    assert "Hearth" in hearth.chat("Who are you?")


def test_status_and_doctor(hearth: Hearth) -> None:
    status, doctor, _ = shown("make status").splitlines()
    assert "hearth-demo" in run(hearth, "bash", "-c", status)
    assert "No problems found." in run(hearth, "bash", "-c", doctor)


def test_make_run_shows_what_it_does_and_leaves_the_engine_when_it_ends(hearth: Hearth) -> None:
    hearth.stop_web()
    read, write = pty.openpty()
    output: list[bytes] = []

    def collect() -> None:
        try:
            while data := os.read(read, 4096):
                output.append(data)
        except OSError:
            pass  # the terminal is gone

    threading.Thread(target=collect, daemon=True).start()
    make = subprocess.Popen(
        ["make", "run"], cwd=PROJECT_ROOT, env=hearth.env, stdout=write, stderr=write, start_new_session=True
    )
    try:
        until(lambda: b"}'" in b"".join(output).partition(b"Try this:")[2], 60, "make run says what to try")
        printed = b"".join(output).partition(b"Try this:")[2].decode().replace("\r\n", "\n")
        assert "Hearth" in run(hearth, "bash", "-c", printed[: printed.index("}'") + 2])
    finally:
        os.killpg(make.pid, signal.SIGINT)  # as Ctrl-C does
        make.wait(30)
    until(
        lambda: b"The engine stays warm; `make stop` ends it." in b"".join(output), 5, "it says that the engine stays"
    )
    os.close(write)
    hearth.start_web()


def test_the_one_command(hearth: Hearth) -> None:
    printed = run(hearth, "bash", "-ec", shown("bin/hearth --help"))
    assert "usage: hearth" in printed
    assert "hearth-demo" in printed
    assert "No problems found." in printed


def test_a_key_as_it_is_shown_is_a_key() -> None:
    block = shown("HEARTH_BIND").replace("make run", "printenv HEARTH_BIND")
    done = subprocess.run(["bash", "-ec", block], capture_output=True, text=True, check=True)
    entry, bind = done.stdout.split()
    (key,) = parse_keys([entry])
    assert (key.name, bind) == ("ann", "0.0.0.0:6006")


def engine_args() -> list[str]:
    """The value of HEARTH_ENGINE_ARGS that is shown, as the engine splits it."""
    script = f'{shown("export HEARTH_ENGINE_ARGS")}printf %s "$HEARTH_ENGINE_ARGS"'
    printed = subprocess.run(["bash", "-ec", script], capture_output=True, text=True, check=True).stdout
    return shlex.split(printed)


def test_the_engine_flags_that_are_shown_are_vllms() -> None:
    from engine_proc.adapter.loading.model import make_parser, parse_args

    flags = shown("bin/hearth start").split("bin/hearth start ")[1].split()
    args = parse_args(["--model", "x", *flags])
    assert args.max_model_len == 8192
    args = parse_args(["--model", "x", *engine_args()])
    assert (args.max_model_len, args.override_generation_config) == (8192, {"temperature": 0.2})
    documents = [*(PROJECT_ROOT / "docs").glob("*.md"), PROJECT_ROOT / "deploy/systemd/hearth.conf"]
    values = [
        value
        for document in documents
        for value in re.findall(r"^HEARTH_ENGINE_ARGS=(.+)$", document.read_text(), re.MULTILINE)
    ]
    assert len(values) >= 6
    for value in values:
        parse_args(["--model", "x", *shlex.split(value.removeprefix('"').removesuffix('"'))])
    for flag in re.findall(r"`(--[a-z-]+)", (PROJECT_ROOT / "docs/llama-3.md").read_text()):
        assert flag in make_parser().format_help(), flag
