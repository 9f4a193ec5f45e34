"""`make reloads`: SIGHUP again and again under load, and what it costs. Exit status 1: a request failed.

Prints, from time to time, the CPU time of a request and the memory of gunicorn's master and of its worker.
"""

import argparse
import os
import re
import signal
import sys
import tempfile
import threading
from collections import Counter
from pathlib import Path

import httpx
import psutil

from bench.stack import TLS
from bench.stopping import end_on_term
from tests.harness import Hearth, chat_body, serving, until

MEASURED = 300
"""Requests whose CPU time is measured for a row of the table."""
WORKER_SECONDS = 60.0
"""How long a worker may take to start, or to end."""
SERVES = re.compile(r"hearth.engine_client engine \w+ \(pid \d+\) answers")
ROW = "{:>8} {:>16} {:>11} {:>11} {:>9} {:>7}"


class Client:
    """Sends requests from a thread of its own, one after the other, each on a new connection."""

    def __init__(self, hearth: Hearth) -> None:
        self._hearth = hearth
        self._go_on = threading.Event()
        self._ended = False
        self._turn = threading.Lock()
        self._thread = threading.Thread(target=self._send_all)
        self.sent = 0
        self.failures: Counter[str] = Counter()
        """Failed requests, by reason."""

    def begin(self) -> None:
        self._go_on.set()
        self._thread.start()

    def pause(self) -> None:
        """Return when no request is under way."""
        self._go_on.clear()
        with self._turn:
            pass

    def resume(self) -> None:
        self._go_on.set()

    def end(self) -> None:
        self._ended = True
        self._go_on.set()
        self._thread.join(120)
        assert not self._thread.is_alive(), "a request has no end"

    def _send_all(self) -> None:
        while not self._ended:
            self._go_on.wait(600)
            with self._turn:
                if self._go_on.is_set():
                    self._send()

    def _send(self) -> None:
        self.sent += 1
        try:
            if self.sent % 3 == 0:
                failure = _refused(self._hearth.get("/version"))
            else:
                body = chat_body("Count.", max_tokens=8, ignore_eos=True, stream=self.sent % 3 == 1)
                failure = _refused(self._hearth.post("/v1/chat/completions", body))
        except httpx.HTTPError as error:
            failure = repr(error)
        if failure:
            self.failures[failure] += 1


def _refused(response: httpx.Response) -> str:
    if response.status_code == 200 and "error" not in response.text:
        return ""
    return f"{response.status_code} {response.text[:200]}"


class Reloads:
    """Reloads a web tier of one worker, again as soon as the new worker serves: earlier ones may still be ending."""

    def __init__(self, hearth: Hearth) -> None:
        self._hearth = hearth
        self._log = hearth.web_log.open()
        self._log.read()

    def reload(self) -> None:
        """Reload once; return when a new worker has found the engine."""
        assert self._hearth.web is not None
        os.kill(self._hearth.web.pid, signal.SIGHUP)
        until(lambda: SERVES.search(self._log.read()), WORKER_SECONDS, "a new worker serves")

    def last_worker(self) -> psutil.Process:
        """Return the one worker, when the earlier ones have ended."""
        until(lambda: len(self._hearth.workers()) == 1, WORKER_SECONDS, "the old workers have ended")
        (worker,) = self._hearth.workers()
        return worker


def row(hearth: Hearth, client: Client, worker: psutil.Process, count: int) -> str:
    """Return a row of the table after `count` reloads."""
    assert hearth.web is not None
    client.pause()
    with httpx.Client(base_url=hearth.url, headers=hearth.headers, timeout=30, verify=TLS) as http:
        for _ in range(20):
            http.get("/version")
        before = sum(worker.cpu_times()[:2])
        for _ in range(MEASURED):
            assert http.get("/version").status_code == 200
    cost = (sum(worker.cpu_times()[:2]) - before) / MEASURED
    master, memory = psutil.Process(hearth.web.pid).memory_info().rss, worker.memory_info().rss
    client.resume()
    failed = client.failures.total()
    return ROW.format(count, f"{1e3 * cost:.2f}", f"{master / 1e6:.1f}", f"{memory / 1e6:.1f}", client.sent, failed)


def main() -> int:
    end_on_term()
    parser = argparse.ArgumentParser(prog="python -m tests.reloads", description=__doc__)
    parser.add_argument("--count", type=int, default=1500, help="how many reloads (default: %(default)s)")
    parser.add_argument("--every", type=int, default=100, help="reloads between two rows (default: %(default)s)")
    args = parser.parse_args()
    with (
        tempfile.TemporaryDirectory(prefix="reloads-") as directory,
        serving(Path(directory, "run"), WEB_CONCURRENCY="1") as hearth,
    ):
        loaded = hearth.identity()
        client = Client(hearth)
        client.begin()
        reloads = Reloads(hearth)
        try:
            print(ROW.format("reloads", "ms of a request", "master, MB", "worker, MB", "requests", "failed"))
            for count in range(args.count + 1):
                if count:
                    reloads.reload()
                if count % args.every == 0 or count == args.count:
                    print(row(hearth, client, reloads.last_worker(), count), flush=True)
        finally:
            client.end()
        assert hearth.identity() == loaded, "the model was loaded again"
    for failure, number in client.failures.items():
        print(f"{number} times: {failure}")
    return 1 if client.failures else 0


if __name__ == "__main__":
    sys.exit(main())
