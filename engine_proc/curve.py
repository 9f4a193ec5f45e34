"""CURVE on the engine's side: making keys, and refusing those who have none."""

import logging
import sys
from pathlib import Path

import zmq
from zmq.auth.thread import ThreadAuthenticator

from schemas.shared.curve import ENGINE, WEB, ZAP_DOMAIN, KeyPair, ServerKeys, write_pair

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


def make_keys(directory: Path) -> int:
    """Make both tiers' keys. Exit status 1 where there are keys already, or the directory cannot be written."""
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in (ENGINE, WEB):
            public, secret = zmq.curve_keypair()
            write_pair(directory, name, KeyPair(public, secret))
    except FileExistsError as error:
        sys.stderr.write(f"engine_proc: {error.filename} is there already, and is left as it is\n")
        return 1
    except OSError as error:
        sys.stderr.write(f"engine_proc: {error.filename}: {error.strerror}\n")
        return 1
    sys.stdout.write(f"keys made in {directory}: set HEARTH_CURVE_KEYS to it on both sides\n")
    return 0
