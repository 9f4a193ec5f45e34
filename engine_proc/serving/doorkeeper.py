"""CURVE authentication on the engine's side: refuse connections whose public key is not in the list of allowed keys."""

import logging

import zmq
from zmq.auth.thread import ThreadAuthenticator

from schemas.shared.curve import ZAP_DOMAIN, ServerKeys

log = logging.getLogger("hearth.curve")

MAX_LOGGED_KEYS = 1000
"""How many unknown keys are logged, so that strangers cannot fill the memory or the log."""


class Doorkeeper:
    """Decides for the sockets of a ZeroMQ context, at each handshake, whether the client's public key is allowed."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", keys: ServerKeys) -> None:
        self._allowed = keys.allowed
        self._logged: set[bytes] = set()
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.configure_curve_callback(ZAP_DOMAIN.decode(), self)
        self._authenticator.start()

    def callback(self, domain: str, key: bytes) -> bool:
        """Return whether `key`, in Z85 as in the key files, is allowed. pyzmq calls this in a thread of its own."""
        if key in self._allowed:
            return True
        if key not in self._logged and len(self._logged) < MAX_LOGGED_KEYS:  # a refused client retries every second
            self._logged.add(key)
            log.warning("refused a connection with the unknown public key %s", key.decode())
        return False

    def close(self) -> None:
        self._authenticator.stop()
