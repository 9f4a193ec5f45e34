"""vLLM's own settings that are environment variables: set before vLLM is imported."""

import os
import pwd
from pathlib import Path

from schemas.shared.log_lines import vllm_configuration

ONEDNN_PRIMITIVES = 128
"""Compiled matrix products that oneDNN keeps on a CPU, each of 0.6 MB and for one number of rows.

Clients choose that number by the lengths of their prompts: with oneDNN's own 1,024 the demo model's worker grows by
610 MB, and is no faster.
"""


def set_vllm_environment(home: Path) -> None:
    """Set the defaults that Hearth needs. Must be called before vLLM is imported.

    `home` is the home directory of a user who has none, as in a container that runs under a number of its own.
    """
    _set_user(home)
    os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
    os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", str(ONEDNN_PRIMITIVES))
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB; vLLM's CPU backend would take a share of all memory
    # spawn runs the main module again in each child, where the child calls `die_with_parent`. fork is unsafe, because
    # this process has threads.
    os.environ["VLLM_WORKER_MULTIPROC_METHOD"] = "spawn"


def _set_user(home: Path) -> None:
    """Give this process's user a name and a home directory, without which libraries of vLLM's raise exceptions."""
    try:
        known = pwd.getpwuid(os.getuid())
    except KeyError:
        known = None
        os.environ.setdefault("USER", f"uid-{os.getuid()}")
    given = os.environ.get("HOME") or (known.pw_dir if known else "")
    if not Path(given).is_dir() or (given == "/" and not os.access(given, os.W_OK)) or not given:
        os.environ["HOME"] = str(home)


def set_vllm_json_logging(run_dir: Path) -> None:
    """Make all of vLLM's processes log JSON lines, unless the operator has set another logging configuration.

    Must be called before vLLM is imported. Writes the configuration to a file in `run_dir`.
    """
    path = run_dir / "vllm-logging.json"
    path.write_bytes(vllm_configuration())
    os.environ.setdefault("VLLM_LOGGING_CONFIG_PATH", str(path))
