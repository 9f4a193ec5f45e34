"""Bounds the time that a structure takes in EngineCore, which computes a mask of the allowed tokens for each token.

xgrammar takes milliseconds for a mask of a usual grammar, and minutes for one of a grammar that can be read in many
ways, with no limit of its own. All sequences wait for it. So each mask is computed in a thread, which is waited for as
long as it uses less CPU time than its structure may; then its request ends with an error. The wait does not count the
time for which other processes have the cores.
"""

import logging
import threading
import time
from queue import Empty, SimpleQueue
from typing import Any
from weakref import WeakValueDictionary

import torch
from vllm.v1.structured_output import StructuredOutputManager, backend_xgrammar

from engine_proc.adapter.outputs import TOO_SLOW

log = logging.getLogger("hearth.engine")

AT_ONCE = 0.5
"""CPU seconds that one mask may take."""
FREE, IN_ALL = 0.02, 5.0
"""CPU seconds that are free for each mask, and that all masks of a structure may take beyond."""
LOOK_SECONDS = 0.05
"""How often a mask that is waited for is looked at."""


class Budget:
    """What is left of a structure's CPU seconds. All sequences with the structure share it."""

    def __init__(self) -> None:
        self._left = IN_ALL

    @property
    def at_once(self) -> float:
        """What the next mask may take."""
        return min(AT_ONCE, self._left + FREE)

    def spend(self, seconds: float) -> None:
        self._left -= max(seconds - FREE, 0.0)


class MaskThread:
    """Computes one mask after another, each in a row of its own: it may go on when nobody waits any more."""

    def __init__(self, vocab_size: int) -> None:
        self._row = backend_xgrammar.xgr.allocate_token_bitmask(1, vocab_size)
        self._matchers: SimpleQueue[Any] = SimpleQueue()
        self._done: SimpleQueue[float | Exception] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name="mask", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while (matcher := self._matchers.get()) is not None:
            began = time.thread_time()
            try:
                matcher.fill_next_token_bitmask(self._row, 0)
                self._done.put(time.thread_time() - began)
            except Exception as error:
                self._done.put(error)

    def fill(self, matcher: Any, into: torch.Tensor, at_once: float) -> float | None:
        """Compute the mask of `matcher`, copy it to `into`, and return the CPU seconds that it took.

        None: it takes more than `at_once`. Then nothing is copied, and the thread ends when it has computed the mask.
        """
        clock = time.pthread_getcpuclockid(self._thread.ident or 0)
        began = time.clock_gettime(clock)
        self._matchers.put(matcher)
        while True:
            try:
                took = self._done.get(timeout=LOOK_SECONDS)
            except Empty:
                if time.clock_gettime(clock) - began <= at_once:
                    continue
                self._matchers.put(None)
                return None
            if isinstance(took, Exception):
                raise took
            into.copy_(self._row[0])
            return took


_threads = threading.local()
"""The `MaskThread` of each thread that asks for masks: vLLM computes those of a large batch in several."""


class BoundedGrammar(backend_xgrammar.XgrammarGrammar):  # type: ignore[misc]
    """vLLM's state of a sequence's grammar. When it has taken too long it allows any token, and then accepts none."""

    budget: Budget
    too_slow = False

    def fill_bitmask(self, bitmask: torch.Tensor, idx: int) -> None:
        if not self.too_slow:
            thread = getattr(_threads, "thread", None) or MaskThread(self.vocab_size)
            took = thread.fill(self.matcher, bitmask[idx], self.budget.at_once)
            _threads.thread = None if took is None else thread
            if took is not None:
                self.budget.spend(took)
                return
            self.too_slow = True
            log.error("the masks of a structure take too long: its requests end")
        bitmask[idx].fill_(-1)

    def accept_tokens(self, request_id: str, tokens: list[int]) -> bool:
        return not self.too_slow and bool(super().accept_tokens(request_id, tokens))

    def validate_tokens(self, tokens: list[int]) -> list[int]:
        return [] if self.too_slow else list(super().validate_tokens(tokens))

    def rollback(self, num_tokens: int) -> None:
        if not self.too_slow:  # its thread may still use the matcher
            super().rollback(num_tokens)


def install() -> None:
    """Give xgrammar's masks in this process their limits. vLLM's guidance backend has limits of its own."""
    budgets: WeakValueDictionary[Any, Budget] = WeakValueDictionary()
    lock = threading.Lock()
    compile_grammar = backend_xgrammar.XgrammarBackend.compile_grammar
    accept_tokens = StructuredOutputManager.accept_tokens

    def compile_bounded(self: Any, kind: Any, text: str, *args: Any, **kwargs: Any) -> Any:
        grammar = compile_grammar(self, kind, text, *args, **kwargs)
        with lock:
            grammar.budget = budgets.setdefault((kind, text), Budget())
        return grammar

    def accept_or_tell(self: Any, request: Any, new_token_ids: list[int]) -> bool:
        accepted = bool(accept_tokens(self, request, new_token_ids))
        wanted = request.structured_output_request
        if not accepted and wanted is not None and getattr(wanted.grammar, "too_slow", False):
            request.stop_reason = TOO_SLOW
        return accepted

    backend_xgrammar.XgrammarGrammar = BoundedGrammar  # the name by which vLLM's backend finds the class
    backend_xgrammar.XgrammarBackend.compile_grammar = compile_bounded
    StructuredOutputManager.accept_tokens = accept_or_tell
