"""Coding agents, unchanged, over a scripted engine: what the model asks for is done, and the model gets its results."""

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests.fake_engine import FakeEngine, Script, welcome
from tests.harness import Hearth

NODE = Path(__file__).parent / "node/node_modules"
CODEX = NODE / ".bin/codex"
OPENCODE = NODE / "opencode-linux-x64/bin/opencode"
AIDER = PROJECT_ROOT / ".venv-clients/aider/bin/aider"
SAID = "hello-from-a-tool"
QUESTION = "Run the tool twice."
EDIT = """Here it is.

greeting.txt
```
<<<<<<< SEARCH
=======
hello
>>>>>>> REPLACE
```
"""


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """The directory in which an agent works."""
    directory = tmp_path / "work"
    directory.mkdir()
    return directory


@contextlib.contextmanager
def scripted(tmp_path: Path, script: Script) -> Iterator[tuple[str, FakeEngine]]:
    """Serve a model that answers by `script`. Yield the URL of the API, and the engine."""
    run_dir = tmp_path / "run"
    run_dir.mkdir(mode=0o700)
    with FakeEngine(run_dir) as engine:
        ready = welcome()
        ready.max_model_len = 200_000
        engine.on_hello, engine.on_generate = ready, script
        hearth = Hearth(run_dir, HEARTH_ENGINE_SPAWN="0")
        hearth.start_web()
        try:
            yield hearth.url + "/v1", engine
        finally:
            hearth.stop_web()


def say(engine: FakeEngine, generate: wire.Generate, *pieces: str) -> None:
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    *first, last = [wire.Delta(generate.id, 0, piece, [1]) for piece in pieces]
    last.finish_reason = "stop"
    for delta in (*first, last):
        engine.send(wire.Deltas(batch=[delta]))


def calling_twice(tool: str, arguments: dict[str, Any]) -> Script:
    """Return a model that calls `tool` until the conversation has two results, and then ends."""

    def script(engine: FakeEngine, generate: wire.Generate) -> None:
        if not generate.tools:  # the title of the session
            say(engine, generate, "Two calls")
            return
        results = [message["content"] for message in generate.messages or () if message["role"] == "tool"]
        if len(results) == 2:
            assert all(SAID in result for result in results)
            say(engine, generate, "All ", "done.")
            return
        assert tool in [offered["function"]["name"] for offered in generate.tools]
        call = wire.ToolCall(0, f"call_{len(results)}", tool, json.dumps(arguments))
        engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "Let me see.", [1])]))
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [2], "tool_calls", tool_calls=[call])]))

    return script


def run(work: Path, *command: str | Path, **env: str) -> str:
    """Run an agent in `work`, with a home of its own there. Return what it prints."""
    done = subprocess.run(
        command,
        cwd=work,
        env={**os.environ, "HOME": str(work.parent), "PWD": str(work), "HEARTH_API_KEY": "none", **env},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_codex(tmp_path: Path, work: Path) -> None:
    with scripted(tmp_path, calling_twice("exec_command", {"cmd": f"echo {SAID}"})) as (url, _):
        provider = f'{{name="hearth",base_url="{url}",wire_api="responses",env_key="HEARTH_API_KEY"}}'
        settings = ['model_provider="hearth"', f"model_providers.hearth={provider}"]
        flags = [flag for setting in settings for flag in ("-c", setting)]
        unattended = ["--skip-git-repo-check", "--json", "-c", 'sandbox_mode="danger-full-access"']
        printed = run(work, CODEX, "exec", *unattended, "-m", "demo", *flags, QUESTION, CODEX_HOME=str(tmp_path))
    events = [json.loads(line) for line in printed.splitlines()]
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    commands = [item for item in items if item["type"] == "command_execution"]
    assert [(item["exit_code"], item["aggregated_output"].strip()) for item in commands] == [(0, SAID)] * 2
    assert [item["text"] for item in items if item["type"] == "agent_message"] == ["Let me see."] * 2 + ["All done."]
    assert events[-1]["type"] == "turn.completed"


def test_opencode(tmp_path: Path, work: Path) -> None:
    with scripted(tmp_path, calling_twice("bash", {"command": f"echo {SAID}", "description": "Say"})) as (url, _):
        provider = {
            "npm": "@ai-sdk/openai-compatible",
            "name": "Hearth",
            "options": {"baseURL": url, "apiKey": "{env:HEARTH_API_KEY}"},
            "models": {"llama": {"name": "Llama", "limit": {"context": 32768, "output": 4096}}},
        }
        (work / "opencode.json").write_text(json.dumps({"provider": {"hearth": provider}}))
        printed = run(work, OPENCODE, "run", "--auto", "--format", "json", "-m", "hearth/llama", QUESTION)
    parts = [event["part"] for event in map(json.loads, printed.splitlines()) if "part" in event]
    states = [part["state"] for part in parts if part["type"] == "tool"]
    assert [(state["status"], state["output"].strip()) for state in states] == [("completed", SAID)] * 2
    assert [part["text"] for part in parts if part["type"] == "text"] == ["Let me see."] * 2 + ["All done."]


def test_aider(tmp_path: Path, work: Path) -> None:
    with scripted(tmp_path, lambda engine, generate: say(engine, generate, EDIT[:20], EDIT[20:])) as (url, engine):
        server = ["--openai-api-base", url, "--openai-api-key", "none", "--model", "openai/llama"]
        offline = ["--no-check-update", "--no-analytics", "--no-show-model-warnings"]
        unattended = ["--yes-always", "--no-git", "--edit-format", "diff", "--message", "Write a greeting."]
        run(work, AIDER, *server, *offline, *unattended)
    assert (work / "greeting.txt").read_text() == "hello\n"
    (asked,) = engine.messages(wire.Generate)
    assert asked.messages is not None and "Write a greeting." in asked.messages[-1]["content"]
