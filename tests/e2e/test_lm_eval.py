"""lm-evaluation-harness, a client that others wrote, gets from Hearth the numbers that Transformers gives it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from engine_proc.settings import DEMO_MODEL
from schemas.shared.endpoint import PROJECT_ROOT

if TYPE_CHECKING:
    from tests.harness import Hearth

pytestmark = [pytest.mark.field("logprobs", "echo"), pytest.mark.timeout(600)]  # two runs of the harness, and a load

LM_EVAL = f"{sys.prefix}/lm-eval/bin/python"
"""In the environment that `make test` makes for it."""
TASKS = {"hearth_capitals": 20 * 4, "hearth_texts": 8}
"""Task and number of log likelihoods in it: of each answer to each question, of each text."""


def evaluate(output: Path, backend: str, **model_args: Any) -> subprocess.Popen[bytes]:
    """Start `lm_eval`, which reads the tasks' data relative to the project."""
    arguments = ",".join(f"{name}={value}" for name, value in {"add_bos_token": True, **model_args}.items())
    command = [LM_EVAL, "-m", "lm_eval", "--model", backend, "--model_args", arguments]
    command += ["--tasks", ",".join(TASKS), "--include_path", "tests/lm_eval_task"]
    command += ["--batch_size", "8", "--device", "cpu", "--output_path", str(output), "--log_samples"]
    environment = {
        **os.environ,
        "HF_HUB_OFFLINE": "1",
        "HF_DATASETS_OFFLINE": "1",
        "HF_HOME": str(output / "huggingface"),
        "OMP_NUM_THREADS": "1",
    }
    log = (output / "log").open("wb")
    return subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)


def likelihoods(output: Path, task: str) -> list[float]:
    """Of every item, in the task's order."""
    (samples,) = output.rglob(f"samples_{task}_*.jsonl")
    items = sorted(map(json.loads, samples.read_text().splitlines()), key=lambda item: item["doc_id"])
    # [log likelihood, is it the greedy answer] of each choice, or the log likelihood alone
    responses = [response for item in items for response in item["filtered_resps"]]
    return [float(response[0] if isinstance(response, list) else response) for response in responses]


def compare(tmp_path: Path, hearth: Hearth, dtype: str) -> dict[str, tuple[list[float], list[float]]]:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    ours.mkdir()
    theirs.mkdir()
    url = f"{hearth.url}/v1/completions"
    runs = {
        ours: evaluate(
            ours, "local-completions", model="hearth-demo", base_url=url, tokenizer=DEMO_MODEL, num_concurrent=4
        ),
        theirs: evaluate(theirs, "hf", pretrained=DEMO_MODEL, dtype=dtype),
    }
    for output, run in runs.items():
        assert run.wait(300) == 0, (output / "log").read_text()[-4000:]
    return {task: (likelihoods(ours, task), likelihoods(theirs, task)) for task in TASKS}


def test_every_item_is_as_likely_as_in_transformers(tmp_path: Path, precise: Hearth) -> None:
    for task, (ours, theirs) in compare(tmp_path, precise, "float32").items():
        assert len(ours) == TASKS[task]
        assert ours == pytest.approx(theirs, abs=1e-3)
