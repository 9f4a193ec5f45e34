"""Encode a request for the engine: a large one in a thread, where it is copied into ZeroMQ's memory too.

A copy of 15 MB takes 1 to 10 ms, or 40 ms where the host must first find the memory, and the hub would make two.
"""

from typing import Any

import msgspec
import zmq
from gevent.threadpool import ThreadPool

from schemas import wire

LARGE = 256 * 1024
"""Characters of a request that is encoded in a thread: up to there it takes less than a millisecond."""
MANY = 256
"""Values that are looked at to find that out. A request that has more is encoded in a thread: each takes 0.1 us."""
FIELDS = ("messages", "prompts", "tools", "tool_choice", "chat_template_kwargs", "suffix", "sent")
"""The fields of a `Generate` that may be large, beside those of its `Structure`."""

Packed = bytes | zmq.Frame


def pack(generate: wire.Generate, threads: ThreadPool) -> Packed:
    """Return the encoded request, ready for `Dealer.send`. A large one is encoded in one of `threads`, while other
    greenlets run.

    Raises `OverflowError` or `RecursionError` if the request has a value that the wire cannot carry.
    """
    if not is_large(generate):
        return wire.encode(generate)
    packed: zmq.Frame | Exception = threads.apply(_try_to_pack, (generate,))
    if isinstance(packed, Exception):
        raise packed
    return packed


def is_large(generate: wire.Generate) -> bool:
    """Return whether the request may have more than `LARGE` characters, or has many values. It looks at `MANY`."""
    values: list[Any] = [getattr(generate, name) for name in FIELDS]
    if generate.sampling.structure is not None:
        values += msgspec.structs.astuple(generate.sampling.structure)
    size = seen = 0
    while values:
        value = values.pop()
        seen += 1
        if isinstance(value, str):
            size += len(value)
        elif isinstance(value, list | dict):
            if len(value) + len(values) + seen > MANY:
                return True
            values += value
            if isinstance(value, dict):
                values += value.values()
        if size > LARGE:
            return True
    return False


def _try_to_pack(generate: wire.Generate) -> zmq.Frame | Exception:
    """Return what it raises: gevent logs a traceback for each exception that leaves its thread."""
    try:
        return zmq.Frame(wire.encode(generate), copy=True)  # without a copy, pyzmq starts a thread that frees it
    except (OverflowError, RecursionError) as error:
        return error
