"""The check by vLLM itself: the flags, the model's configuration, its tokenizer and its chat template."""

import subprocess
import sys
from collections.abc import Iterator

from engine_proc.commands.doctor.finding import Finding, bad, ok
from engine_proc.commands.vllm_installed import vllm_installed
from engine_proc.settings import Settings
from schemas.shared.endpoint import PROJECT_ROOT

TRIAL = "engine_proc.process.trial"
TRIAL_SECONDS = 180.0
"""Time limit. Most of the time is taken by vLLM's import."""


def vllm_checks(settings: Settings) -> Iterator[Finding]:
    """Have a process do all of a load that needs no weights, and yield its result. None on a host without vLLM."""
    if not vllm_installed():
        return
    command = [sys.executable, "-m", TRIAL, *settings.argv([])]
    try:
        done = subprocess.run(
            command,
            cwd=PROJECT_ROOT,
            env=settings.environment(),
            capture_output=True,
            text=True,
            timeout=TRIAL_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        yield bad("vLLM's checks", f"not done within {TRIAL_SECONDS:.0f} s", "Is the hub slow, or the machine busy?")
        return
    if done.returncode == 0:
        yield ok("vLLM's checks", "flags, configuration, tokenizer and chat template")
        return
    lines = [line for line in done.stdout.splitlines() if line.strip()] or done.stderr.strip().splitlines()
    found = lines[-1] if lines else f"ended with status {done.returncode}"
    yield bad("vLLM's checks", found, "Mend HEARTH_MODEL, its files or HEARTH_ENGINE_ARGS (docs/configuration.md).")
