"""What the master checks and prints when it starts."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from webapp.server.start import drop_foreign_pid_file, try_this, url_of


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def listeners() -> Iterator[Any]:
    """Make gunicorn's listeners from families and addresses, and close them at the end."""
    sockets: list[socket.socket] = []

    def make(*addresses: tuple[int, Any]) -> list[Any]:
        for family, address in addresses:
            sock = socket.socket(family, socket.SOCK_STREAM)
            sockets.append(sock)
            sock.bind(address)
        return [SimpleNamespace(sock=sock) for sock in sockets]

    yield make
    for sock in sockets:
        sock.close()


@pytest.mark.parametrize(
    ("family", "host", "shown", "quote"),
    [
        (socket.AF_INET, "127.0.0.1", "http://127.0.0.1:", ""),
        (socket.AF_INET, "0.0.0.0", "http://127.0.0.1:", ""),
        (socket.AF_INET6, "::1", "http://[::1]:", "'"),
        (socket.AF_INET6, "::", "http://[::1]:", "'"),
    ],
)
def test_the_url_leads_to_the_server_from_this_host(
    listeners: Any, family: int, host: str, shown: str, quote: str
) -> None:
    bound = listeners((family, (host, 0)))
    port = bound[0].sock.getsockname()[1]
    assert url_of(bound) == f"{shown}{port}"
    assert f"curl -s {quote}{shown}{port}/v1/chat/completions{quote} -H" in try_this(bound, key=False)


def test_a_unix_socket_is_shown_as_curl_takes_it(listeners: Any, tmp_path: Path) -> None:
    path = f"{tmp_path}/a socket"
    bound = listeners((socket.AF_UNIX, path))
    assert url_of(bound) == f"unix:{path}"
    assert f"curl -s --unix-socket '{path}' http://localhost/v1/" in try_this(bound, key=False)


def test_of_several_the_first_on_tcp_is_shown(listeners: Any, tmp_path: Path) -> None:
    bound = listeners((socket.AF_UNIX, f"{tmp_path}/s"), (socket.AF_INET, ("127.0.0.1", 0)))
    assert url_of(bound).startswith("http://127.0.0.1:")


def test_the_command_sends_a_key_where_one_is_required_and_no_proxy_gets_it(
    listeners: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bound = listeners((socket.AF_INET, ("127.0.0.1", 0)))
    assert '-H "Authorization: Bearer $HEARTH_API_KEY"' in try_this(bound, key=True)
    monkeypatch.setenv("http_proxy", "http://proxy:3128")
    assert "curl -s --noproxy '*' http://127" in try_this(bound, key=False)


def test_a_pid_file_of_a_process_that_is_no_gunicorn_is_removed(tmp_path: Path) -> None:
    path = tmp_path / "gunicorn.pid"
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as other:
        path.write_text(f"{other.pid}\n")
        drop_foreign_pid_file(path)
        assert not path.exists()
        other.kill()


@pytest.mark.parametrize("content", ["", "nonsense", "4000000", "own"])
def test_one_of_no_other_process_is_left_to_gunicorn(tmp_path: Path, content: str) -> None:
    path = tmp_path / "gunicorn.pid"
    drop_foreign_pid_file(path)
    text = str(os.getpid()) if content == "own" else content
    path.write_text(text)
    drop_foreign_pid_file(path)
    assert path.read_text() == text


def test_another_master_is_named(tmp_path: Path) -> None:
    path = tmp_path / "gunicorn.pid"
    command = [sys.executable, "-c", "input()", "gunicorn", "wsgi:app"]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as other:
        path.write_text(f"{other.pid}\n")
        with pytest.raises(SystemExit, match=f"hearth: a web tier is already running .*pid {other.pid} in"):
            drop_foreign_pid_file(path)
        assert path.exists()
        other.kill()
