"""What the master checks and prints when it starts."""

import os
import shlex
import socket
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil

BODY = """-H 'Content-Type: application/json' \\
      -d '{"messages": [{"role": "user", "content": "Who are you?"}]}'"""
PATH = "/v1/chat/completions"
PROXIES = ("http_proxy", "all_proxy", "ALL_PROXY")
"""Variables by which curl would send a request for this host to a proxy."""


def drop_foreign_pid_file(path: Path) -> None:
    """Remove a pid file that names a process which is no gunicorn, as after a restart of the host or of a container.

    gunicorn would take that process for another master, and not start. Exits with a message for the operator where it
    is one.
    """
    try:
        pid = int(path.read_text() or 0)
        running = psutil.Process(pid) if pid not in (0, os.getpid()) else None
        gunicorn = running is not None and any("gunicorn" in part for part in running.cmdline())
    except (OSError, ValueError, psutil.NoSuchProcess):
        return  # no file, or no such process: gunicorn starts
    except psutil.AccessDenied:
        gunicorn = True
    if gunicorn:
        sys.exit(
            f"hearth: a web tier is already running with this run directory (pid {pid} in {path}): stop it, or set "
            "HEARTH_RUN_DIR to another directory"
        )
    if running is not None:
        path.unlink(missing_ok=True)


def url_of(listeners: Iterable[Any]) -> str:
    """Return the URL of the server for a client on this host, or `unix:/path` where only Unix sockets are bound.

    `listeners` are gunicorn's sockets, of which the first on TCP is taken.
    """
    sockets = [listener.sock for listener in listeners]
    for sock in sockets:
        if sock.family in (socket.AF_INET, socket.AF_INET6):
            host, port = sock.getsockname()[:2]
            host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)  # noqa: S104
            return f"http://{f'[{host}]' if ':' in host else host}:{port}"
    return f"unix:{sockets[0].getsockname()}" if sockets else ""


def try_this(listeners: Iterable[Any], *, key: bool) -> str:
    """Return a command that asks the model a question. `key`: the server requires an API key."""
    url, options = url_of(listeners), ""
    if url.startswith("unix:"):
        url, options = "http://localhost", f"--unix-socket {shlex.quote(url.removeprefix('unix:'))} "
    elif any(os.environ.get(name) for name in PROXIES):
        options = "--noproxy '*' "
    header = '-H "Authorization: Bearer $HEARTH_API_KEY" ' if key else ""
    return f"    curl -s {options}{shlex.quote(url + PATH)} {header}{BODY}"  # a shell may take [::1] for a pattern
