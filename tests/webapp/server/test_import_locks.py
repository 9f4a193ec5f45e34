"""A worker's threads import at one time: see webapp/server/import_locks.py."""

import subprocess
import sys
from pathlib import Path

from schemas.shared.endpoint import PROJECT_ROOT

CODE = """
import importlib, sys, threading
from pathlib import Path
from gevent import monkey
from gevent.threadpool import ThreadPool
from webapp.server.worker import HearthWorker

worker = HearthWorker.__new__(HearthWorker)
worker.sockets = []
worker.patch()
lock = sys.modules["_frozen_importlib"]._ModuleLock("a module")
real = monkey.get_original("_thread", "allocate_lock")
assert threading.Lock is not real, "gevent has patched nothing"
assert type(lock.lock) is type(lock.wakeup) is type(real()), lock.lock

sys.path.insert(0, sys.argv[1])
pools = [ThreadPool(1) for _ in range(4)]
for number in range(25):
    Path(sys.argv[1], f"slow{number}.py").write_text("import time; time.sleep(0.01); done = True")
    importlib.invalidate_caches()
    imports = [pool.spawn(importlib.import_module, f"slow{number}") for pool in pools]
    assert all(one.get(timeout=20).done for one in imports)
print("imported")
"""


def test_threads_import_one_module_at_one_time(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(tmp_path)],
        cwd=PROJECT_ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout == "imported\n", done.stderr
