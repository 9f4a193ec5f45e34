"""CURVE keys: who may speak to the engine over TCP. Files of a directory that `python -m engine_proc keys` makes.

    engine.secret  engine.public    the engine's
    web.secret     web.public       the web tier's

Each is one line of 40 characters (Z85). The engine answers whoever proves to have the secret of one of the directory's
`*.public` files; a web host needs `web.secret`, `web.public` and `engine.public`.
"""

import stat
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from schemas.shared.endpoint import EndpointError

ENGINE, WEB = "engine", "web"
ZAP_DOMAIN = b"hearth"
"""A socket that has one refuses everybody while nobody authenticates."""
_KEY_CHARS = 40


@dataclass(frozen=True, slots=True)
class KeyPair:
    public: bytes
    secret: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientKeys:
    """Of one who connects."""

    own: KeyPair
    engine_public: bytes

    def set_on(self, socket: Any) -> None:
        """`socket` is a zmq socket of any flavour, before it connects."""
        socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        socket.curve_serverkey = self.engine_public


@dataclass(frozen=True, slots=True)
class ServerKeys:
    """Of the one who binds, and of those it answers."""

    own: KeyPair
    allowed: frozenset[bytes]

    def set_on(self, socket: Any) -> None:
        """`socket` is a zmq socket of any flavour, before it binds."""
        socket.curve_publickey, socket.curve_secretkey = self.own.public, self.own.secret
        socket.curve_server = True
        socket.zap_domain, socket.zap_enforce_domain = ZAP_DOMAIN, True


def read_client_keys(directory: Path) -> ClientKeys:
    """The web tier's; on a host that has none, the engine's, for its command line. Raises `EndpointError`."""
    own = WEB if (directory / f"{WEB}.secret").exists() else ENGINE
    return ClientKeys(_read_pair(directory, own), _read(directory / f"{ENGINE}.public"))


def read_server_keys(directory: Path) -> ServerKeys:
    """Raises `EndpointError`."""
    own = _read_pair(directory, ENGINE)
    return ServerKeys(own, frozenset(_read(file) for file in directory.glob("*.public")))


def write_pair(directory: Path, name: str, pair: KeyPair) -> None:
    """Readable for this user alone. Raises `FileExistsError`: nothing is overwritten."""
    for suffix, key in (("secret", pair.secret), ("public", pair.public)):
        file = directory / f"{name}.{suffix}"
        file.touch(mode=0o600, exist_ok=False)
        file.write_bytes(key + b"\n")


def _read_pair(directory: Path, name: str) -> KeyPair:
    secret = directory / f"{name}.secret"
    pair = KeyPair(_read(directory / f"{name}.public"), _read(secret))
    if secret.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        raise EndpointError(f"HEARTH_CURVE_KEYS: others have access to {secret}: chmod 600 it")
    return pair


def _read(file: Path) -> bytes:
    try:
        key = file.read_bytes().strip()
    except OSError as error:
        raise EndpointError(
            f"HEARTH_CURVE_KEYS: {file}: {error.strerror}; `python -m engine_proc keys DIRECTORY` makes keys"
        ) from None
    if len(key) != _KEY_CHARS:
        raise EndpointError(f"HEARTH_CURVE_KEYS: {file} is no key")
    return key
