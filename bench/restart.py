"""A web tier restarted under load: how long until a new worker answers, and whether anything was lost."""

import os
import signal
import socket
import threading
import time
from dataclasses import dataclass

import psutil

from bench.client import Client, Timings
from bench.contenders import Server
from bench.loads import Load

LOAD = Load("restart", 64, 384)
BEFORE_SECONDS = 1.0
"""How long the load runs before the signal."""
LIMIT_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class Restart:
    seconds: float
    """From the signal to the first request that a new worker has answered."""
    lost: int
    """Requests of the load that failed in any way. Each has a connection of its own."""
    failures: list[str]
    """What was wrong with those, each once."""


def measure(server: Server, opening: int, load: Load = LOAD) -> Restart:
    """Send SIGHUP to gunicorn while the load runs. Raises `TimeoutError` where no new worker answers."""
    assert server.hearth is not None and server.hearth.web is not None
    client = Client(server.port, load, opening=opening, keep_alive=False)
    results: list[Timings] = []
    running = threading.Thread(target=lambda: results.append(client.run()))
    running.start()
    try:
        time.sleep(BEFORE_SECONDS)
        seconds = _hang_up(server.hearth.web.pid, server.port)
    finally:
        running.join()
    return Restart(seconds, results[0].errors + results[0].incomplete, list(results[0].failures))


def _hang_up(master: int, port: int) -> float:
    before = {worker.pid for worker in psutil.Process(master).children()}
    sent = time.perf_counter()
    os.kill(master, signal.SIGHUP)
    while (passed := time.perf_counter() - sent) < LIMIT_SECONDS:
        if _answered_by(master, port) - before:
            return passed
    raise TimeoutError(f"no new worker has answered within {LIMIT_SECONDS:g} s")


def _answered_by(master: int, port: int) -> set[int]:
    """Ask for /health, and return the worker whose end of the connection it was that answered."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        if b" 200 " not in sock.recv(4096):
            return set()
        return {worker.pid for worker in psutil.Process(master).children() if _has_peer(worker, sock.getsockname())}


def _has_peer(worker: psutil.Process, address: tuple[str, int]) -> bool:
    try:
        return any(tuple(connection.raddr) == address for connection in worker.net_connections("tcp4"))
    except psutil.Error:  # it has ended meanwhile
        return False
