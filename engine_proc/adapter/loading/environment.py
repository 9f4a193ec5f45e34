"""vLLM's own settings that are environment variables: set before vLLM is imported."""

import os
from pathlib import Path

from schemas.shared.log_lines import vllm_configuration


def set_vllm_environment() -> None:
    """Before vLLM is imported."""
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; vLLM's CPU backend would take a share of all memory
    # spawn runs the main module again in each child, which is how they die with their parent; and fork is no option
    # beside threads.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"


def have_vllm_log_json(run_dir: Path) -> None:
    """In all of its processes, unless its operator has another configuration for it. Before vLLM is imported."""
    path = run_dir / "vllm-logging.json"
    path.write_bytes(vllm_configuration())
    os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(path))
