"""Fork the processes that import vLLM, so that a test does not wait until each has imported it.

`tests.harness` puts this folder into `PYTHONPATH`, and Python imports a module of this name as it starts. The commands
that start an engine ask a process that has imported vLLM for it (stock.py), a supervisor forks its model process, and
that one forks vLLM's. The product always spawns them: that a load takes three imports makes no difference to it, and
fork is less safe in a process that has threads. The tests of the shared engine run it as the product does.
"""

import subprocess
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))
if "engine_proc.batch.process" in sys.orig_argv or "engine_proc.process.model_process" in sys.orig_argv:
    from tests.warm import methods

    methods.fork_instead_of_spawn()
elif "engine_proc" in sys.orig_argv and {"start", "doctor"} & set(sys.orig_argv):
    from tests.warm import popen

    subprocess.Popen = popen.FromStock  # type: ignore[misc]
