"""Decode the messages of web workers."""

import asyncio
import logging
from concurrent.futures import ThreadPoolExecutor

import msgspec

from schemas import wire

log = logging.getLogger("hearth.server")

LARGE = 256 * 1024
"""Bytes of a message that is to be decoded in a thread: 15 MB may take 40 ms where the host must find the memory."""

Payload = bytes | memoryview


def decoded(payload: Payload) -> wire.ToEngine | None:
    """Return the message, or None if it is malformed, which is logged."""
    try:
        message: wire.ToEngine = wire.decode_to_engine(payload)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        log.warning("ignored a message that is not of the wire protocol: %s", error)
        return None
    return message


class Decoder:
    """A thread that decodes large messages. It does nothing else: all other messages wait meanwhile."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="decoder")

    async def decode(self, payload: Payload) -> wire.ToEngine | None:
        """Return what `decoded` returns."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, decoded, payload)
