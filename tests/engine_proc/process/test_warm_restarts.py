"""The processes that stand in for restarted model processes in tests (tests/warm)."""

import subprocess
import sys

from schemas.shared.endpoint import PROJECT_ROOT

SUPERVISOR = """
import os, sys
sys.path.insert(0, "tests/warm")
import restarts

ends = "import os, sys; sys.exit(7 if os.environ.get(sys.argv[1]) else 3)"
command = [sys.executable, "-c", ends, restarts.STOCK_FD, restarts.MODEL_PROCESS]
print([restarts.Popen(command, env={**os.environ}).wait() for _ in range(3)])
"""


def test_where_the_stock_ends_the_model_process_is_started_as_ever() -> None:
    """What keeps vLLM from its import must be said by the model process, not hidden by the supervisor's own error."""
    command = [sys.executable, "-c", SUPERVISOR]
    done = subprocess.run(command, cwd=PROJECT_ROOT, capture_output=True, text=True, timeout=60, check=False)
    assert (done.stdout, done.stderr) == ("[3, 3, 3]\n", "")
