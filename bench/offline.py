"""`make bench-offline`: compare the batch command with plain Transformers, both greedy, with the same prompts."""

import argparse
import json
import os
import re
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from bench import tables
from bench.beds import CPU_FLAGS
from bench.loads import SUBJECTS, TOKENS
from bench.results import RESULTS
from bench.stopping import end_on_term
from schemas.shared.endpoint import PROJECT_ROOT

PROMPTS = 256
LIMIT_SECONDS = 3600.0
RATE = re.compile(r"([0-9]+) completion tokens/s")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("HEARTH_")}


def measure(prompts: int, directory: Path) -> dict[str, Any]:
    """Measure the batch command, then Transformers. `ratio` is without the load of the model."""
    requests = directory / "requests.jsonl"
    lines = [_line(number) for number in range(prompts)]
    requests.write_text("".join(json.dumps(line) + "\n" for line in lines))
    sys.stderr.write(f"bench: {prompts} prompts offline, by the batch command and then by Transformers\n")
    ours = _batch(requests, directory / "results.jsonl")
    theirs = _transformers(requests)
    return {
        "prompts": prompts,
        "tokens_each": TOKENS,
        "batch": ours,
        "transformers": {name: value for name, value in theirs.items() if name != "texts"},
        "ratio": ours["seconds"] / theirs["seconds"],
        "ratio_with_loading": (ours["seconds"] + ours["loading"]) / (theirs["seconds"] + theirs["loading"]),
        "ratio_to_batched_transformers": ours["seconds"] / theirs["batched_seconds"],
        "same_text": _same(directory / "results.jsonl", theirs["texts"]),
    }


def _line(number: int) -> dict[str, Any]:
    text = f"Tell me about {SUBJECTS[number % len(SUBJECTS)]}, part {number}."
    body = {"messages": [{"role": "user", "content": text}], "max_tokens": TOKENS, "temperature": 0}
    body |= {"ignore_eos": True}
    return {"custom_id": str(number), "method": "POST", "url": "/v1/chat/completions", "body": body}


def _batch(requests: Path, results: Path) -> dict[str, float]:
    """Return the seconds of the generation, from the command's own tokens per second, and all others (`loading`)."""
    command = [sys.executable, "-m", "engine_proc", "batch", str(requests), "-o", str(results), *CPU_FLAGS]
    began = time.perf_counter()
    done = subprocess.run(
        command,
        cwd=PROJECT_ROOT,
        env=ENVIRONMENT,
        stderr=subprocess.PIPE,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
    total = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"the batch command exited with status {done.returncode}:\n{done.stderr[-4000:]}")
    rates = RATE.findall(done.stderr)
    assert rates, f"the batch command printed no tokens per second: {done.stderr[-400:]}"
    lines = len(requests.read_text().splitlines())
    seconds = lines * TOKENS / float(rates[-1])
    return {"seconds": seconds, "loading": total - seconds}


def _transformers(requests: Path) -> dict[str, Any]:
    command = [sys.executable, "-m", "bench.plain_transformers", str(requests), str(TOKENS)]
    began = time.perf_counter()
    done = subprocess.run(
        command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=True
    )
    total = time.perf_counter() - began
    result: dict[str, Any] = json.loads(done.stdout)
    result["loading"] = total - result["seconds"] - result["batched_seconds"]
    return result


def _same(results: Path, texts: list[str]) -> float:
    """Return the share (0 to 1) of identical answers. Rounding differs between the two, so it may be less than 1."""
    ours: dict[int, str] = {}
    for line in results.read_text().splitlines():
        result = json.loads(line)
        ours[int(result["custom_id"])] = result["response"]["body"]["choices"][0]["message"]["content"]
    return sum(ours[number] == text for number, text in enumerate(texts)) / len(texts)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.offline", description=__doc__)
    parser.add_argument("--prompts", type=int, default=PROMPTS, help=f"number of prompts (default {PROMPTS})")
    parser.add_argument("--output", type=Path, default=RESULTS, help="directory (default bench/results)")
    args = parser.parse_args()
    end_on_term()
    if args.prompts < 1:
        parser.error("--prompts must be at least 1")
    with tempfile.TemporaryDirectory(prefix="bench-") as directory:
        result = measure(args.prompts, Path(directory))
    args.output.mkdir(parents=True, exist_ok=True)
    written = args.output / "offline.json"
    written.write_text(json.dumps(result, indent=2) + "\n")
    sys.stdout.write(tables.offline(result) + f"\n\nwritten: {written}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
