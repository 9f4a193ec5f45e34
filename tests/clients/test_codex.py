"""Codex CLI, unchanged, over a scripted engine: it calls a tool twice, gets both results to the model, and ends."""

import json
import os
import subprocess
from pathlib import Path
from typing import Any

from schemas import wire
from tests.fake_engine import FakeEngine, welcome
from tests.harness import Hearth

CODEX = Path(__file__).parent / "node/node_modules/.bin/codex"
SAID = "hello-from-a-tool"


def call_twice(engine: FakeEngine, generate: wire.Generate) -> None:
    """Call the tool that runs commands until the conversation has two results, then answer."""
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    results = [message["content"] for message in generate.messages or () if message["role"] == "tool"]
    if len(results) == 2:
        assert all(SAID in result for result in results)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "All done.", [1], "stop")]))
        return
    (tool,) = [tool["function"]["name"] for tool in generate.tools if tool["function"]["name"] == "exec_command"]
    call = wire.ToolCall(0, f"call_{len(results)}", tool, json.dumps({"cmd": f"echo {SAID}"}))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "Let me see.", [1])]))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "", [2], "tool_calls", tool_calls=[call])]))


def test_a_loop_of_tools(tmp_path: Path) -> None:
    run_dir, home, work = tmp_path / "run", tmp_path / "home", tmp_path / "work"
    for directory in (run_dir, home, work):
        directory.mkdir(mode=0o700)
    with FakeEngine(run_dir) as engine:
        ready = welcome()
        ready.max_model_len = 200_000
        engine.on_hello, engine.on_generate = ready, call_twice
        hearth = Hearth(run_dir, HEARTH_ENGINE_SPAWN="0")
        hearth.start_web()
        try:
            events = ask_codex(hearth.url, home, work)
        finally:
            hearth.stop_web()
    items = [event["item"] for event in events if event["type"] == "item.completed"]
    commands = [item for item in items if item["type"] == "command_execution"]
    assert [(item["exit_code"], item["aggregated_output"].strip()) for item in commands] == [(0, SAID)] * 2
    assert [item["text"] for item in items if item["type"] == "agent_message"] == ["Let me see."] * 2 + ["All done."]
    assert events[-1]["type"] == "turn.completed"


def ask_codex(url: str, home: Path, work: Path) -> list[Any]:
    """Return the events of one run."""
    provider = f'{{name="hearth",base_url="{url}/v1",wire_api="responses",env_key="KEY"}}'
    settings = ['model_provider="hearth"', f"model_providers.hearth={provider}", 'sandbox_mode="danger-full-access"']
    done = subprocess.run(
        [CODEX, "exec", "--skip-git-repo-check", "--json", "-m", "demo", *_flags(settings), "Run the tool twice."],
        cwd=work,
        env={**os.environ, "CODEX_HOME": str(home), "KEY": "none"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


def _flags(settings: list[str]) -> list[str]:
    return [flag for setting in settings for flag in ("-c", setting)]
