"""The DEALER socket of a web worker on gevent's loop: bytes in, bytes out.

pyzmq's green sockets make a result and a timer for each wait, and ask for the socket's state after each message, which
costs more than the messages do. As on the engine's side (engine_proc/serving/router.py), zmq's file descriptor is
edge-triggered, also by sends, so the state is looked at again after each.
"""

import contextlib
import os

import zmq
from gevent import get_hub
from gevent.event import Event

from schemas.shared.curve import ClientKeys
from schemas.shared.endpoint import local_endpoint

READ_AT_ONCE = 64
"""Messages that are read before others have their turn."""
SEND_QUEUE = 10_000
SEND_AT_ONCE = 8
"""Payloads that wait for no further ones to leave with."""

_READ = 1
_AT_ONCE, _MORE = int(zmq.NOBLOCK), int(zmq.NOBLOCK | zmq.SNDMORE)
_READABLE, _WRITABLE = int(zmq.POLLIN), int(zmq.POLLOUT)
"""Plain integers: pyzmq's flags are enums, and slow."""


class Dealer:
    """A connected DEALER. One greenlet may `receive`; any may `send`."""

    def __init__(self, endpoint: str, keys: ClientKeys | None = None) -> None:
        socket: zmq.Socket[bytes] = zmq.Context.instance().socket(zmq.DEALER)
        socket.setsockopt(zmq.IDENTITY, os.urandom(8))
        socket.setsockopt(zmq.IMMEDIATE, 1)  # never queue for an engine that is not there
        socket.setsockopt(zmq.SNDHWM, SEND_QUEUE)
        socket.setsockopt(zmq.RCVHWM, 0)  # read at once; each Reply has its own bound
        socket.setsockopt(zmq.LINGER, 200)
        socket.setsockopt(zmq.RECONNECT_IVL, 100)
        socket.setsockopt(zmq.RECONNECT_IVL_MAX, 1000)
        if keys:
            keys.set_on(socket)
        socket.connect(local_endpoint(endpoint))
        self.multipart = False
        """The engine takes several payloads, a frame each, in one message."""
        self._socket = socket
        self._waiting: list[bytes] = []
        self._news = Event()
        self._watcher = get_hub().loop.io(socket.fileno(), _READ)
        self._watcher.start(self._news.set)

    def send(self, payload: bytes) -> bool:
        """Have it leave when the loop has done what it is at. False: there is no engine, or it does not read.

        Each message wakes a thread of zmq's here and another one in the engine, so those of a moment share one.
        """
        if not self._state() & _WRITABLE:
            return False
        self._waiting.append(payload)
        if len(self._waiting) >= SEND_AT_ONCE:
            self._flush()
        elif len(self._waiting) == 1:
            get_hub().loop.run_callback(self._flush)
        return True

    def _flush(self) -> None:
        """An engine that is gone by now has lost them, as if they had been on their way."""
        payloads, self._waiting = self._waiting, []
        with contextlib.suppress(zmq.ZMQError):
            for number, payload in enumerate(payloads, 1):
                self._socket.send(payload, _MORE if self.multipart and number < len(payloads) else _AT_ONCE)
        self._state()

    def _state(self) -> int:
        """What can be done now. Looked at, it may not be told again, so the receiver is told here."""
        events: int = self._socket.get(zmq.EVENTS)  # type: ignore[assignment]
        if events & _READABLE:
            self._news.set()
        return events

    def receive(self) -> list[bytes]:
        """Wait for messages, and return those that have come."""
        while True:
            self._news.clear()
            payloads = self._read()
            if payloads:
                return payloads
            self._news.wait()  # each ping looks too, should a notice have been missed

    def close(self) -> None:
        self._watcher.stop()
        self._watcher.close()
        self._socket.close(linger=0)

    def _read(self) -> list[bytes]:
        payloads: list[bytes] = []
        receive = self._socket.recv
        try:
            while len(payloads) < READ_AT_ONCE:
                payloads.append(receive(_AT_ONCE))
        except zmq.Again:
            pass
        return payloads
