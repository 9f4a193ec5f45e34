"""Real clients, unchanged, against a running Hearth: `make test-clients`, for their weight is more than the server's.

Each lives in an environment of its own. OpenAI's and Anthropic's SDKs for Python, and lm-eval, are in `make test`.
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
PYTHON = PROJECT_ROOT / ".venv-clients" / "bin" / "python"
OFFLINE = {"LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}


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


@pytest.mark.parametrize("script", ["langchain_agent.py", "llama_index_agent.py", "litellm_client.py"])
def test_python(hearth: Hearth, script: str) -> None:
    run(hearth, PYTHON, script)


@pytest.mark.parametrize("script", ["openai.mjs", "anthropic.mjs"])
def test_node(hearth: Hearth, script: str) -> None:
    run(hearth, "node", f"node/{script}")


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
