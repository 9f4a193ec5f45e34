"""Where the tiers meet: only endpoints that work and that no stranger reaches."""

import os
import stat
from pathlib import Path

import pytest

from schemas.shared.endpoint import (
    EndpointError,
    check_endpoint,
    default_endpoint,
    is_on_this_host,
    local_endpoint,
    make_run_dir,
)


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize(
    "endpoint",
    [
        "ipc:///run/hearth/engine.sock",
        "tcp://127.0.0.1:5555",
        "tcp://127.8.9.1:5555",
        "tcp://localhost:5555",
        "tcp://[::1]:5555",
    ],
)
def test_private_endpoints_are_taken_as_they_are(endpoint: str) -> None:
    assert check_endpoint(endpoint) == endpoint


@pytest.mark.parametrize(
    "endpoint",
    ["tcp://0.0.0.0:5555", "tcp://*:5555", "tcp://10.0.0.7:5555", "tcp://engine.example:5555", "tcp://[::]:5555"],
)
def test_an_open_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="reachable from other hosts and not encrypted"):
        check_endpoint(endpoint)
    assert check_endpoint(endpoint, curve=True) == endpoint


@pytest.mark.parametrize(
    ("bound", "reached"),
    [
        ("tcp://*:5555", "tcp://127.0.0.1:5555"),
        ("tcp://0.0.0.0:5555", "tcp://127.0.0.1:5555"),
        ("tcp://[::]:5555", "tcp://[::1]:5555"),
        ("tcp://10.0.0.7:5555", "tcp://10.0.0.7:5555"),
        ("ipc:///run/hearth/engine.sock", "ipc:///run/hearth/engine.sock"),
    ],
)
def test_an_engine_at_all_addresses_is_reached_at_one(bound: str, reached: str) -> None:
    assert local_endpoint(bound) == reached


@pytest.mark.parametrize(
    "endpoint",
    [
        "tcp://127.0.0.1",
        "tcp://127.0.0.1:",
        "tcp://127.0.0.1:0",
        "tcp://127.0.0.1:99999",
        "tcp://127.0.0.1:port",
        "tcp://[::1]",
        "tcp://[::1:5555",
        "tcp://::1:5555",
        "tcp://:5555",
        "tcp://127.0.0.1:5555/path",
    ],
)
@pytest.mark.parametrize("curve", [False, True])
def test_a_tcp_endpoint_has_a_host_and_a_port(endpoint: str, curve: bool) -> None:
    with pytest.raises(EndpointError, match="HEARTH_ENGINE_ENDPOINT"):
        check_endpoint(endpoint, curve=curve)


@pytest.mark.parametrize("endpoint", ["", "/run/engine.sock", "inproc://engine", "http://127.0.0.1:80"])
def test_any_other_kind_of_endpoint_is_refused(endpoint: str) -> None:
    with pytest.raises(EndpointError, match="must begin with ipc:// or tcp://"):
        check_endpoint(endpoint)


@pytest.mark.parametrize(
    ("endpoint", "here"),
    [
        ("ipc:///run/hearth/engine.sock", True),
        ("tcp://127.0.0.1:5555", True),
        ("tcp://[::1]:5555", True),
        ("tcp://*:5555", True),
        ("tcp://[::]:5555", True),
        ("tcp://10.0.0.7:5555", False),
        ("tcp://engine.example:5555", False),
    ],
)
def test_an_engine_is_here_or_elsewhere(endpoint: str, here: bool) -> None:
    assert is_on_this_host(endpoint) is here


def test_a_socket_path_may_be_as_long_as_the_kernel_takes() -> None:
    longest = "/" + "a" * 106

    assert check_endpoint(f"ipc://{longest}") == f"ipc://{longest}"
    with pytest.raises(EndpointError, match="longer than 107 bytes: set HEARTH_RUN_DIR"):
        check_endpoint(f"ipc://{longest}a")


def test_a_socket_path_is_measured_in_bytes() -> None:
    with pytest.raises(EndpointError, match="longer than 107 bytes"):
        check_endpoint("ipc:///" + "字" * 36)


def test_the_default_endpoint_lies_in_the_run_directory() -> None:
    assert default_endpoint(Path("/run/hearth")) == "ipc:///run/hearth/engine.sock"


def test_the_run_directory_is_made_for_its_user_alone(tmp_path: Path) -> None:
    run_dir = tmp_path / "deep" / "run"
    make_run_dir(run_dir)

    assert mode(run_dir) == 0o700


def test_an_open_run_directory_is_closed(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)
    make_run_dir(tmp_path)

    assert mode(tmp_path) == 0o700


def test_a_run_directory_of_somebody_else_is_refused_and_left_alone(tmp_path: Path) -> None:
    foreign = Path("/")
    if os.getuid() == 0:
        foreign = tmp_path / "foreign"
        foreign.mkdir(mode=0o755)
        os.chown(foreign, 65534, -1)
    before = mode(foreign)

    with pytest.raises(EndpointError, match="belongs to another user"):
        make_run_dir(foreign)
    assert mode(foreign) == before


def test_a_run_directory_that_cannot_be_made_is_refused_with_the_reason(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(EndpointError, match="cannot be used: Not a directory: set HEARTH_RUN_DIR"):
        make_run_dir(tmp_path / "file" / "run")


@pytest.mark.parametrize("endpoint", ["ipc://", "ipc://@hearth", "ipc://run/engine.sock"])
def test_a_socket_must_lie_in_a_named_directory(endpoint: str) -> None:
    # zmq would take the second for an abstract socket, which every local user can open.
    with pytest.raises(EndpointError, match="absolute path"):
        check_endpoint(endpoint)
