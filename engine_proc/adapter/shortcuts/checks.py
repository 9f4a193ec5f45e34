"""Prove the shortcuts of a model in a thread, while the model loads."""

import logging
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from vllm.renderers import BaseRenderer
from vllm.renderers.hf import HfRenderer, resolve_chat_template

from engine_proc.adapter.shortcuts.byte_detokenizer import ByteTable, proved_table
from engine_proc.adapter.shortcuts.encoder import Encoder, quickest

log = logging.getLogger("hearth.shortcuts")

Result = TypeVar("Result")


@dataclass(slots=True)
class Shortcuts:
    """The shortcuts that agree with vLLM for the loaded model."""

    encoder: Encoder | None = None
    """None: prompts are encoded by vLLM's renderer."""
    table: ByteTable | None = None
    """None: answers are detokenised by vLLM."""

    @property
    def names(self) -> list[str]:
        """Names of the shortcuts in use, for the engine's status."""
        ways = [] if self.encoder is None else [f"texts by {self.encoder.way}"]
        return ways if self.table is None else [*ways, "answers by a table"]


def prove(renderer: BaseRenderer[Any], vocab_size: int) -> Shortcuts:
    """Try each shortcut on its samples, and return those that agree with vLLM."""
    began = time.thread_time()
    if not isinstance(renderer, HfRenderer) or renderer.model_config.is_encoder_decoder:
        return Shortcuts()
    tokenizer = renderer.get_tokenizer()
    # vLLM keeps what it finds here. It may load the tokenizer once more, which the first chat would wait for.
    find_template = partial(resolve_chat_template, tokenizer, None, None, model_config=renderer.model_config)
    _attempt("a search for the chat template", find_template)
    encoder = _attempt("the check of a quicker encoder", quickest, tokenizer)
    table = _attempt("the check of a byte table", proved_table, tokenizer, vocab_size)
    log.info(
        "texts are encoded by %s, and detokenised by %s (proved in %.1f s of CPU)",
        "vLLM" if encoder is None else encoder.way,
        "vLLM" if table is None else "a table",
        time.thread_time() - began,
    )
    return Shortcuts(encoder, table)


def _attempt(what: str, work: Callable[..., Result | None], *arguments: Any) -> Result | None:
    """Return what `work` returns. None, and a line in the log, where it raises: a shortcut must not end a load."""
    try:
        return work(*arguments)
    except BaseException as error:  # a panic in Rust is not an `Exception`
        if isinstance(error, KeyboardInterrupt | SystemExit):
            raise
        log.info("%s has failed, and vLLM's way is used: %s", what, error)
        return None


class Proving:
    """Proves the shortcuts of a model in a thread, from when vLLM has started its processes.

    Not before: a process must not be forked while a thread may hold a lock.
    """

    def __init__(self, renderer: BaseRenderer[Any], vocab_size: int) -> None:
        self._pool = ThreadPoolExecutor(max_workers=1, thread_name_prefix="shortcuts")
        self._work = partial(prove, renderer, vocab_size)
        self._proving: Future[Shortcuts] | None = None
        warm_up = renderer.start_mm_warmup_in_background  # vLLM calls this when it has started its processes

        def start_both() -> None:
            warm_up()
            self._start()

        renderer.start_mm_warmup_in_background = start_both

    def _start(self) -> "Future[Shortcuts]":
        if self._proving is None:
            self._proving = self._pool.submit(self._work)
        return self._proving

    def result(self) -> Shortcuts:
        """Return the shortcuts. Blocks until they are proved."""
        shortcuts = self._start().result()
        self._pool.shutdown(wait=False)
        return shortcuts
