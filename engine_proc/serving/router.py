"""The ROUTER socket on the asyncio loop: bytes in, bytes out, one identity per web worker."""

import asyncio
import logging
from collections.abc import Callable

import zmq

from engine_proc.serving.doorkeeper import Doorkeeper
from schemas.shared.curve import ServerKeys
from schemas.shared.endpoint import EndpointError

log = logging.getLogger("hearth.router")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_FRAMES = 64
"""In one message. A web tier sends a few; with thousands, one message would keep the loop from all others."""
DRAIN_AT_ONCE = 256
"""Messages taken before other work gets its turn."""
SEND_QUEUE = 10_000
"""Messages that may wait for one web worker. It gets one an engine step, so this is minutes of not reading."""

_AT_ONCE, _MORE, _READABLE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE), int(zmq.POLLIN)
"""Plain integers: pyzmq's flags are enums, and `send_multipart` makes more of them. That is half the time of a send."""


class Router:
    """A bound ROUTER whose messages go to a callback.

    pyzmq's own asyncio sockets make a future per message; here one callback drains all that have come. zmq's file
    descriptor is edge-triggered, also by sends, so the state is looked at again after each.
    """

    def __init__(
        self,
        endpoint: str,
        on_message: Callable[[bytes, bytes], None],
        on_gone: Callable[[bytes], None],
        keys: ServerKeys | None = None,
    ) -> None:
        """`on_gone` hears of who could not be sent to. With `keys`, only who has one of them is heard.

        Raises `EndpointError` where it cannot be bound.
        """
        self._on_message = on_message
        self._on_gone = on_gone
        self._outbox: dict[bytes, list[bytes]] = {}
        self._context = zmq.Context()
        self._doorkeeper = Doorkeeper(self._context, keys) if keys else None
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._socket.setsockopt(zmq.LINGER, 500)
        if keys:
            keys.set_on(self._socket)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._end()
            raise EndpointError(f"the engine cannot listen at {endpoint}: {zmq.strerror(error.errno or 0)}") from error
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._drain)
        self._loop.call_soon(self._drain)

    def send(self, identity: bytes, payload: bytes) -> None:
        """Have it leave when the loop has done what it is at.

        Each message wakes a thread of zmq's here and another one in the web worker, so those of a moment share one.
        """
        if not self._outbox:
            self._loop.call_soon(self._flush)
        self._outbox.setdefault(identity, []).append(payload)

    def _flush(self) -> None:
        if self._socket.closed:
            return
        outbox, self._outbox = self._outbox, {}
        for identity, payloads in outbox.items():
            try:
                self._socket.send(identity, _MORE)
                for payload in payloads[:-1]:
                    self._socket.send(payload, _MORE)
                self._socket.send(payloads[-1], _AT_ONCE)
            except zmq.ZMQError:  # it has left, or has not read for so long that its queue is full
                self._on_gone(identity)
        if self._socket.get(zmq.EVENTS) & _READABLE:  # type: ignore[operator]
            self._loop.call_soon(self._drain)

    def poll(self) -> None:
        """Take what has come, should its notice have been missed. Call it every second or so."""
        self._drain()

    def close(self) -> None:
        self._flush()
        self._loop.remove_reader(self._socket.fileno())
        self._end()

    def _end(self) -> None:
        self._socket.close()
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        self._context.term()

    def _drain(self) -> None:
        for _ in range(DRAIN_AT_ONCE):
            if self._socket.closed:
                return
            try:
                frames = self._socket.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            if len(frames) > MAX_FRAMES:
                log.warning("ignored a message of %d frames", len(frames))
                continue
            for payload in frames[1:]:
                self._on_message(frames[0], payload)
        self._loop.call_soon(self._drain)
