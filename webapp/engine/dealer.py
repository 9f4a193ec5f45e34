"""The DEALER socket of a web worker on gevent's loop: it receives and sends bytes.

pyzmq's green sockets create a result and a timer for each wait, and query the socket's state after each message, which
costs more than the messages do. As on the engine's side (engine_proc/serving/router.py), ZeroMQ's file descriptor is
edge-triggered, and a send can use up its event, so the socket is checked again after each flush.
"""

import contextlib
import os

import zmq
from gevent import get_hub
from gevent.event import Event

from schemas.shared.curve import ClientKeys
from schemas.shared.endpoint import local_endpoint
from webapp.engine.packing import Packed

READ_AT_ONCE, READ_BYTES = 64, 128 * 1024
"""The most messages that `receive` returns, and after how many bytes it returns no further one, so that other greenlets
get to run.
"""
SEND_QUEUE = 10_000
"""The most messages queued for an engine that does not read."""
SEND_AT_ONCE = 8
"""As many waiting payloads are sent without waiting for the end of the loop's iteration."""

_READ = 1
_AT_ONCE, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
_READABLE, _WRITABLE = int(zmq.POLLIN), int(zmq.POLLOUT)
"""Plain integers: pyzmq's flags are enums, and combining them is slow."""


class Dealer:
    """A connected DEALER socket. One greenlet may call `receive`; any may call `send`."""

    def __init__(self, endpoint: str, keys: ClientKeys | None = None) -> None:
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, os.urandom(8))
        socket.setsockopt(zmq.IMMEDIATE, 1)  # never queue for an engine that is not connected
        socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        socket.setsockopt(zmq.RCVHWM, 0)  # no limit: messages are read at once, and each Reply has its own limit
        socket.setsockopt(zmq.LINGER, 200)
        socket.setsockopt(zmq.IPV6, 1)  # an engine may have an address of either kind
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        if keys:
            keys.set_on(socket)
        socket.connect(local_endpoint(endpoint))
        self.multipart = False
        """Whether the engine accepts several payloads, one per frame, in one message."""
        self.more = True
        """Whether there may be more messages than the last `receive` has returned."""
        self._socket = socket
        self._waiting: list[Packed] = []
        self._readable = Event()
        self._watcher = get_hub().loop.io(socket.fileno(), _READ)
        self._watcher.start(self._readable.set)

    def send(self, payload: Packed) -> bool:
        """Send `payload` at the end of the loop's current iteration. Return False if no engine is connected, or it
        does not read.

        All payloads of one iteration are sent in one message, because each message wakes a thread of ZeroMQ's here and
        another in the engine.
        """
        if not self._state() & _WRITABLE:
            return False
        self._waiting.append(payload)
        if len(self._waiting) >= SEND_AT_ONCE:
            self._flush()
        elif len(self._waiting) == 1:
            get_hub().loop.run_callback(self._flush)
        return True

    @property
    def connected(self) -> bool:
        """Whether an engine has accepted the connection."""
        return bool(self._state() & _WRITABLE)

    def _flush(self) -> None:
        """Send the waiting payloads. If the engine has disconnected they are lost, as if they had been on their way."""
        payloads, self._waiting = self._waiting, []
        with contextlib.suppress(zmq.ZMQError):
            for number, payload in enumerate(payloads, 1):
                self._socket.send(payload, _MORE if self.multipart and number < len(payloads) else _AT_ONCE)
        self._state()

    def _state(self) -> int:
        """Return the socket's events. Reading them can use up the event that wakes `receive`, so wake it here."""
        events: int = self._socket.get(zmq.EVENTS)  # type: ignore[assignment]
        if events & _READABLE:
            self._readable.set()
        return events

    def receive(self) -> list[bytes]:
        """Wait for messages and return those that have arrived, within `READ_AT_ONCE` and `READ_BYTES`."""
        while True:
            if not self.more:
                self._readable.wait()  # a missed event is found by the next ping, which checks the socket
            self._readable.clear()
            payloads = self._read()
            if payloads:
                return payloads

    def close(self) -> None:
        """Close the socket. Payloads not sent yet are dropped."""
        self._watcher.stop()
        self._watcher.close()
        self._socket.close(linger=0)

    def _read(self) -> list[bytes]:
        payloads: list[bytes] = []
        receive = self._socket.recv
        size = 0
        try:
            while len(payloads) < READ_AT_ONCE and size < READ_BYTES:
                payloads.append(receive(_AT_ONCE))
                size += len(payloads[-1])
        except zmq.Again:
            self.more = False
        else:
            self.more = True
        return payloads
