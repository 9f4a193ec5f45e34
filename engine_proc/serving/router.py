"""The ROUTER socket on the asyncio loop: it receives and sends bytes, and each web worker is one identity."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import TypeVar

import zmq

from engine_proc.serving.decoding import Payload
from engine_proc.serving.doorkeeper import Doorkeeper
from schemas.shared.curve import ServerKeys
from schemas.shared.endpoint import EndpointError

log = logging.getLogger("hearth.router")

T = TypeVar("T")

MAX_MESSAGE_BYTES = 64 * 1024 * 1024
MAX_FRAMES = 64
"""The most frames in one message. A web tier sends a few; a message of thousands would block the loop."""
READ_AT_ONCE, READ_BYTES = 256, 1024 * 1024
"""The most payloads handled before the loop does other work, and after how many bytes no further one is."""
COPIED = 64 * 1024
"""Bytes of a payload that is copied out of ZeroMQ's memory: a larger one is read where it is."""
SEND_QUEUE = 10_000
"""The most messages queued for one web worker. There is one per engine step: a full queue means that the worker has
not read for minutes.
"""

_AT_ONCE, _MORE, _READABLE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE), int(zmq.POLLIN)
"""Plain integers: pyzmq's flags are enums, and combining them, as `send_multipart` does, is half the time of a send."""


class Router:
    """A bound ROUTER socket that passes its messages to a callback.

    pyzmq's own asyncio sockets create a future per message; here one callback reads all waiting messages. ZeroMQ's file
    descriptor is edge-triggered, and a send can use up its event, so the socket is checked again after each flush.
    """

    def __init__(
        self,
        endpoint: str,
        on_message: Callable[[bytes, Payload], asyncio.Future[None] | None],
        on_unreachable: Callable[[bytes], None],
        keys: ServerKeys | None = None,
    ) -> None:
        """Bind the socket.

        `on_message` gets the identity of a web worker and a payload, and may return what the next payload is to wait
        for; `on_unreachable` gets the identity of one that a message could not be sent to. With `keys`, only clients
        that have an allowed key can connect. Raises `EndpointError` if the endpoint cannot be bound.
        """
        self._on_message = on_message
        self._on_unreachable = on_unreachable
        self._outbox: dict[bytes, list[bytes]] = {}
        self._arrived: deque[tuple[bytes, Payload]] = deque()
        """Payloads of the last message that are not handled yet, with its sender's identity."""
        self._handling: asyncio.Future[None] | None = None
        """The payload that the others wait for."""
        self._context = zmq.Context()
        self._doorkeeper = Doorkeeper(self._context, keys) if keys else None
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)
        self._socket.setsockopt(zmq.ROUTER_HANDOVER, 1)
        self._socket.setsockopt(zmq.MAXMSGSIZE, MAX_MESSAGE_BYTES)
        self._socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        self._socket.setsockopt(zmq.LINGER, 500)
        self._socket.setsockopt(zmq.IPV6, 1)  # both: `tcp://*` and `tcp://[::]` accept IPv4 too
        if keys:
            keys.set_on(self._socket)
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            self._close_sockets()
            raise EndpointError(f"the engine cannot listen at {endpoint}: {zmq.strerror(error.errno or 0)}") from error
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket.fileno(), self._read)
        self._loop.call_soon(self._read)

    def send(self, identity: bytes, payload: bytes) -> None:
        """Send `payload` to the web worker `identity` at the end of the loop's current iteration.

        All payloads of one iteration to one web worker are sent in one message, because each message wakes a thread of
        ZeroMQ's here and another in the web worker.
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
            except zmq.ZMQError:  # it has disconnected, or its queue is full
                self._call(self._on_unreachable, identity)
        if self._socket.get(zmq.EVENTS) & _READABLE:  # type: ignore[operator]
            self._loop.call_soon(self._read)

    def poll(self) -> None:
        """Read waiting messages whose event was missed. Call this about every second."""
        self._read()

    def close(self) -> None:
        """Send what is queued, and close the socket."""
        self._flush()
        self._loop.remove_reader(self._socket.fileno())
        self._close_sockets()

    def _close_sockets(self) -> None:
        self._socket.close()
        if self._doorkeeper is not None:
            self._doorkeeper.close()
        self._context.term()

    def _read(self) -> None:
        size = 0
        for _ in range(READ_AT_ONCE):
            if self._socket.closed or self._handling is not None:
                return
            if size > READ_BYTES:
                break
            try:
                if not self._arrived:
                    self._receive()
            except zmq.Again:
                return
            if self._arrived:
                identity, payload = self._arrived.popleft()
                size += len(payload)
                self._handling = self._call(self._on_message, identity, payload)
                if self._handling is not None:
                    self._handling.add_done_callback(self._handled)
        self._loop.call_soon(self._read)

    def _receive(self) -> None:
        """Receive one message. Raises `zmq.Again` if there is none."""
        frames = self._socket.recv_multipart(zmq.NOBLOCK, copy=False)
        if len(frames) > MAX_FRAMES:
            log.warning("ignored a message of %d frames", len(frames))
            return
        identity = frames[0].bytes
        self._arrived.extend((identity, frame.bytes if len(frame) <= COPIED else frame.buffer) for frame in frames[1:])

    def _handled(self, handling: asyncio.Future[None]) -> None:
        self._handling = None
        if not handling.cancelled() and (error := handling.exception()) is not None:
            log.error("a message could not be handled", exc_info=error)
        self._read()

    @staticmethod
    def _call(callback: Callable[..., T], identity: bytes, *payload: Payload) -> T | None:
        """Return what `callback` returns.

        What it raises is logged: other web workers' messages must be read and sent in any case.
        """
        try:
            return callback(identity, *payload)
        except Exception:
            log.exception("a message of web worker %s, or one to it, could not be handled", identity.hex())
            return None
