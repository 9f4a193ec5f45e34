"""CURVE keys: they encrypt TCP connections to the engine and authenticate both sides.

`hearth keys DIRECTORY` makes the files:

    engine.secret  engine.public    the engine's key pair
    web.secret     web.public       the web tier's key pair

Each file is one line of 40 characters (Z85). The engine accepts every client that proves to have the secret key of one
of its directory's `*.public` files. A web host needs `web.secret`, `web.public` and `engine.public`.
"""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.shared.endpoint import EndpointError

ENGINE, WEB = "engine", "web"
ZAP_DOMAIN = b"hearth"
"""A socket with a ZAP domain refuses all connections while no ZAP handler (`serving/doorkeeper.py`) is running."""
_KEY_CHARS = 40


@dataclass(frozen=True, slots=True)
class KeyPair:
    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """The keys of the side that connects: a web worker, or the engine's command line."""

    own: KeyPair
    engine_public: bytes

    def set_on(self, socket: Any) -> None:
        """Configure `socket`, a zmq or zmq.green or zmq.asyncio socket that is not yet connected."""
        socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        socket.curve_serverkey = self.engine_public


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """The keys of the side that binds, the engine, and the public keys (`allowed`) of the clients that it accepts."""

    own: KeyPair
    allowed: frozenset[bytes]

    def set_on(self, socket: Any) -> None:
        """Configure `socket`, a zmq or zmq.green or zmq.asyncio socket that is not yet bound."""
        socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        socket.curve_server = True
        socket.zap_domain, socket.zap_enforce_domain = ZAP_DOMAIN, True


def read_client_keys(directory: Path) -> ClientKeys:
    """Return the keys to connect with: the web tier's, or the engine's on a host that has only those.

    The engine's own are for its command line. Raises `EndpointError` for a file that is missing, malformed, or secret
    and readable by other users.
    """
    own = WEB if (directory / f"{WEB}.secret").exists() else ENGINE
    return ClientKeys(_read_pair(directory, own), _read(directory / f"{ENGINE}.public"))


def read_server_keys(directory: Path) -> ServerKeys:
    """Return the keys to bind with. Raises `EndpointError` as `read_client_keys` does."""
    own = _read_pair(directory, ENGINE)
    return ServerKeys(own, frozenset(_read(file) for file in directory.glob("*.public")))


def write_pair(directory: Path, name: str, pair: KeyPair) -> None:
    """Write `NAME.secret` and `NAME.public`, readable by this user alone. Raises `FileExistsError` where one exists."""
    for suffix, key in (("secret", pair.secret), ("public", pair.public)):
        file = directory / f"{name}.{suffix}"
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(key + b"\n")


def _read_pair(directory: Path, name: str) -> KeyPair:
    secret = directory / f"{name}.secret"
    pair = KeyPair(_read(directory / f"{name}.public"), _read(secret))
    if secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise EndpointError(f"HEARTH_CURVE_KEYS: other users have access to {secret}: run chmod 600 {secret}")
    return pair


def _read(file: Path) -> bytes:
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise EndpointError(
            f"HEARTH_CURVE_KEYS: {file}: {error.strerror}; `hearth keys DIRECTORY` makes keys"
        ) from None
    if len(key) != _KEY_CHARS:
        raise EndpointError(f"HEARTH_CURVE_KEYS: {file} does not hold a key of {_KEY_CHARS} characters")
    return key
