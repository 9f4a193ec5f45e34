"""Restart the web tier under load: measure the time until a new worker answers, and the lost requests."""

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
"""How long the load runs before the restart."""
LIMIT_SECONDS = 30.0
"""How long to wait for an answer of a new worker."""


@dataclass(frozen=True, slots=True)
class Restart:
    seconds: float
    """Time from the signal to the first answer of a new worker."""
    lost: int
    """Requests of the load that failed in any way. Each has its own connection."""
    failures: list[str]
    """The different reasons of the failures."""


def measure(server: Server, opening: int, load: Load = LOAD) -> Restart:
    """Send SIGHUP to gunicorn while the load runs. Raises `TimeoutError` if no new worker answers in time."""
    assert server.hearth is not None and server.hearth.web is not None
    client = Client(server.port, load, opening=opening, keep_alive=False)
    results: list[Timings] = []
    running = threading.Thread(target=lambda: results.append(client.run()))
    running.start()
    try:
        time.sleep(BEFORE_SECONDS)
        seconds = _restart(server.hearth.web.pid, server.port)
    finally:
        running.join()
    return Restart(seconds, results[0].errors + results[0].incomplete, list(results[0].failures))


def _restart(master: int, port: int) -> float:
    """Send SIGHUP, and return the seconds until a new worker answers."""
    before = {worker.pid for worker in psutil.Process(master).children()}
    sent = time.perf_counter()
    os.kill(master, signal.SIGHUP)
    while (passed := time.perf_counter() - sent) < LIMIT_SECONDS:
        if _answered_by(master, port) - before:
            return passed
    raise TimeoutError(f"no new worker has answered within {LIMIT_SECONDS:g} s")


def _answered_by(master: int, port: int) -> set[int]:
    """Send a request for /health, and return the pid of the worker that answered. Empty: the answer was an error."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS) as sock:
        sock.sendall(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
        if b" 200 " not in sock.recv(4096):
            return set()
        return {worker.pid for worker in psutil.Process(master).children() if _has_peer(worker, sock.getsockname())}


def _has_peer(worker: psutil.Process, address: tuple[str, int]) -> bool:
    try:
        return any(tuple(connection.raddr) == address for connection in worker.net_connections("tcp4"))
    except psutil.Error:  # the worker has exited
        return False
