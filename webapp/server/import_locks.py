"""Gives Python's imports the locks of the operating system back, which gevent replaces everywhere.

A module is locked while it is imported. With gevent's locks two threads that import the same module at one time wait
for each other's hubs, and now and then for ever: one in a hundred workers whose threads for jobs and for files began
together never answered a batch again.
"""

import _thread
import sys
from types import SimpleNamespace

from gevent import monkey

REPLACED = ("allocate_lock", "get_ident", "RLock")


def use_real_locks() -> None:
    """Have modules imported from now on be locked for threads, not for greenlets: no import leaves its greenlet."""
    real = {name: monkey.get_original("_thread", name) for name in REPLACED}
    importing = sys.modules["_frozen_importlib"]
    importing._thread = SimpleNamespace(**{**vars(_thread), **real})  # type: ignore[attr-defined]
