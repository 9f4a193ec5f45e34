"""Have vLLM fork its processes in place of spawning them."""

import gc
import multiprocessing
import os
import signal
from typing import Any


def fork_instead_of_spawn() -> None:
    """Replace multiprocessing's start method in this process and in those that are forked from it."""
    by_method = multiprocessing.get_context

    def get_context(method: str | None = None) -> Any:
        return by_method("fork" if method == "spawn" else method)

    multiprocessing.get_context = get_context
    os.register_at_fork(before=_pause, after_in_parent=_resume, after_in_child=_become_a_process_of_vllm)


def _pause() -> None:
    """Count no turn of the loop: the kernel keeps its thread busy while the pages of a gigabyte are shared."""
    from schemas.shared import turns

    turns.pause()


def _resume() -> None:
    from schemas.shared import turns

    turns.resume()


def _become_a_process_of_vllm() -> None:
    """Do what the model process's module does in a spawned process, and undo what only a forked one inherits."""
    from engine_proc.adapter.loading.children import bound_masks, die_with_parent, yield_by_sleeping

    signal.set_wakeup_fd(-1)  # the pipe by which asyncio learns of signals, and the parent's loop reads from it
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    gc.unfreeze = lambda: None  # at its end vLLM would have each process look at, and so copy, all that was imported
    die_with_parent()
    yield_by_sleeping()
    bound_masks()
