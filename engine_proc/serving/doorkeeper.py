"""CURVE on the engine's side: refuses connections whose key is unknown."""

import logging

import zmq
from zmq.auth.thread import ThreadAuthenticator

from schemas.shared.curve import ZAP_DOMAIN, ServerKeys

log = logging.getLogger("hearth.curve")

MOST_TOLD = 1000
"""Unknown keys that reach the log."""


class Doorkeeper:
    """Answers zmq's question, at each handshake of a context's sockets, whether a key is known."""

    def __init__(self, context: "zmq.Context[zmq.Socket[bytes]]", keys: ServerKeys) -> None:
        self._allowed = keys.allowed
        self._told: set[bytes] = set()
        self._authenticator = ThreadAuthenticator(context)
        self._authenticator.configure_curve_callback(ZAP_DOMAIN.decode(), self)
        self._authenticator.start()

    def callback(self, domain: str, key: bytes) -> bool:
        """As pyzmq calls it, in its thread. `key` is Z85, as in the files."""
        if key in self._allowed:
            return True
        if key not in self._told and len(self._told) < MOST_TOLD:  # a refused client comes again every second
            self._told.add(key)
            log.warning("refused a connection with the unknown public key %s", key.decode())
        return False

    def close(self) -> None:
        self._authenticator.stop()
