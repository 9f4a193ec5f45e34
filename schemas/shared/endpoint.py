"""The run directory and the ZeroMQ endpoint, which both tiers must compute in the same way."""

import os
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

PROJECT_ROOT = Path(__file__).resolve().parents[2]
DEFAULT_RUN_DIR = PROJECT_ROOT / "run"
DEFAULT_BIND = "127.0.0.1:6006"
_SUN_PATH_MAX = 107  # bytes of sockaddr_un.sun_path on Linux, less the terminator


class EndpointError(ValueError):
    """The endpoint, its keys or the run directory cannot be used; the message is for the operator."""


def default_endpoint(run_dir: Path) -> str:
    """Return the `ipc://` endpoint inside `run_dir`."""
    return f"ipc://{run_dir}/engine.sock"


def check_endpoint(endpoint: str, *, curve: bool = False) -> str:
    """Return `endpoint` unchanged where it can be used.

    Raises `EndpointError` where it cannot, or where, without `curve`, other hosts could reach it unauthenticated.
    """
    try:
        url = urlsplit(endpoint)
    except ValueError:
        raise EndpointError(f"HEARTH_ENGINE_ENDPOINT is no address: {endpoint!r}") from None
    if url.scheme == "ipc":
        path = endpoint.removeprefix("ipc://")
        if not path.startswith("/"):
            raise EndpointError(f"{endpoint!r} must name an absolute path, in a directory that belongs to this user")
        if len(os.fsencode(path)) > _SUN_PATH_MAX:
            raise EndpointError(
                f"the socket path {path!r} is longer than {_SUN_PATH_MAX} bytes: "
                "set HEARTH_RUN_DIR to a shorter directory"
            )
        return endpoint
    if url.scheme == "tcp":
        _check_tcp(endpoint)
        if not curve and not _is_loopback(url.hostname or ""):
            raise EndpointError(
                f"{endpoint} is reachable from other hosts and not encrypted: use ipc:// or tcp://127.0.0.1, "
                "or set HEARTH_CURVE_KEYS"
            )
        return endpoint
    raise EndpointError(f"HEARTH_ENGINE_ENDPOINT must begin with ipc:// or tcp://, not {endpoint!r}")


def _check_tcp(endpoint: str) -> None:
    """Raise `EndpointError` unless `endpoint` has a host and a port: ZeroMQ would say "Invalid argument"."""
    try:
        url = urlsplit(endpoint)
        usable = bool(url.hostname) and bool(url.port) and not (url.path or url.query or url.fragment or url.username)
    except ValueError:  # the port is no number up to 65535, or the brackets are not closed
        usable = False
    if not usable:
        raise EndpointError(
            f"HEARTH_ENGINE_ENDPOINT: expected tcp://host:port, tcp://[IPv6]:port or ipc:///path, not {endpoint!r}"
        )


def local_endpoint(endpoint: str) -> str:
    """Return the address to connect to on the host that binds `endpoint`.

    It differs where `endpoint` binds all addresses (`tcp://*:PORT`): connecting to those is impossible.
    """
    for wildcard, loopback in (("*", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("[::]", "[::1]")):  # noqa: S104
        if endpoint.startswith(f"tcp://{wildcard}:"):
            return endpoint.replace(wildcard, loopback, 1)
    return endpoint


def is_on_this_host(endpoint: str) -> bool:
    """Return whether the engine at `endpoint` runs on this host, and so has the same run directory."""
    return endpoint.startswith("ipc://") or _is_loopback(urlsplit(local_endpoint(endpoint)).hostname or "")


def make_run_dir(run_dir: Path) -> None:
    """Create `run_dir` with mode 700. Raises `EndpointError` where it belongs to another user or is not writable."""
    try:
        run_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        if run_dir.stat().st_uid != os.getuid():
            raise EndpointError(f"{run_dir} belongs to another user: set HEARTH_RUN_DIR")
        run_dir.chmod(0o700)
        if not os.access(run_dir, os.W_OK | os.X_OK):
            raise EndpointError(f"{run_dir} is not writable: set HEARTH_RUN_DIR")
    except OSError as error:
        raise EndpointError(f"{run_dir} cannot be used: {error.strerror}: set HEARTH_RUN_DIR") from error


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
