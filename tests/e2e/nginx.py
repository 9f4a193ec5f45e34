"""Debian's nginx with the shipped site, as an ordinary process in a directory of its own."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import psutil

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import free_port, until

SHIPPED = PROJECT_ROOT / "deploy/nginx"
NGINX = "/usr/sbin/nginx"
TEMPORARY = "".join(f"    {kind}_temp_path {kind};\n" for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
AROUND = f"""\
{{user}}
daemon off;
pid nginx.pid;
error_log stderr warn;
worker_processes 1;
events {{{{ worker_connections 1024; }}}}
http {{{{
    access_log off;
{TEMPORARY}    include site.conf;
}}}}
"""


class Nginx:
    def __init__(self, scheme: str, port: int, process: subprocess.Popen[bytes]) -> None:
        self.address = ("127.0.0.1", port)
        self.url = f"{scheme}://127.0.0.1:{port}"
        self._process = process

    def upstream_ports(self, port: int) -> set[int]:
        """nginx's own ports of its open connections to `port`."""
        (worker,) = psutil.Process(self._process.pid).children()
        connections = worker.net_connections("tcp")
        return {one.laddr.port for one in connections if one.raddr and one.raddr.port == port}


@contextlib.contextmanager
def nginx(directory: Path, upstream_port: int, listen: str = "listen 80;") -> Iterator[Nginx]:
    """The site of deploy/nginx, with nothing changed but where it listens and where the web tier is.

    `listen` is what stands in the place of `listen 80;`, with `PORT` for the port.
    """
    port = free_port()
    site = (SHIPPED / "hearth.conf").read_text()
    assert "listen 80;" in site
    assert "server 127.0.0.1:6006 " in site
    site = site.replace("server 127.0.0.1:6006 ", f"server 127.0.0.1:{upstream_port} ")
    site = site.replace("listen 80;", listen.replace("listen 80;", "listen 127.0.0.1:PORT;").replace("PORT", str(port)))
    (directory / "site.conf").write_text(site)
    user = "user root root;" if os.geteuid() == 0 else ""  # else root's nginx may not look into this directory
    (directory / "nginx.conf").write_text(AROUND.format(user=user))
    log = directory / "error.log"
    with log.open("wb") as stderr:
        process = subprocess.Popen(
            [NGINX, "-p", directory, "-c", directory / "nginx.conf", "-e", "stderr"], stderr=stderr, cwd=directory
        )
    running = Nginx("https" if "ssl" in listen else "http", port, process)
    try:
        until(lambda: process.poll() is not None or _answers(running.url), 60, "nginx answers")
        assert process.poll() is None, log.read_text()
        yield running
    finally:
        process.terminate()
        process.wait(60)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/health", verify=False, timeout=30).status_code == 200
    except httpx.TransportError:
        return False
