"""A client of resumable streams that loses its connection, and what may happen to the web tier meanwhile."""

import contextlib
import json
import os
import signal
import time
from typing import Any

import httpx

from tests.harness import TLS, Hearth, until

CHAT, TEXT, RESPONSES = "/v1/chat/completions", "/v1/completions", "/v1/responses"
ENOUGH = 10
"""Events after which a connection is lost."""


class Client:
    """A client that loses its connection and comes back with the number of the last event that it has."""

    def __init__(self, hearth: Hearth, path: str, body: dict[str, Any]) -> None:
        self.hearth = hearth
        self.events: list[tuple[int, dict[str, Any]]] = []
        self.done = False
        self.stream_id = ""
        whole = {**body, "stream": True, "resumable": True}
        self._read("POST", path, ENOUGH, json=whole)

    def come_back(self) -> None:
        """Read on, as often as that takes."""
        end = time.monotonic() + 120
        while not self.done:
            assert time.monotonic() < end, "it does not end"
            with contextlib.suppress(httpx.TransportError):
                self._read("GET", f"/v1/streams/{self.stream_id}?after={self.events[-1][0]}")
            time.sleep(0.1)

    def _read(self, method: str, path: str, most: int = 10**6, **arguments: Any) -> None:
        options: Any = {"headers": self.hearth.headers, "timeout": 60, "verify": TLS, **arguments}
        with httpx.stream(method, self.hearth.url + path, **options) as response:
            if response.status_code == 503:  # no engine is ready
                return
            assert response.status_code == 200, response.read()
            number = -1
            for line in response.iter_lines():
                if line.startswith("id: "):
                    number = int(line.removeprefix("id: "))
                elif line == "data: [DONE]":
                    self.done = True
                elif line.startswith("data: "):
                    event = json.loads(line.removeprefix("data: "))
                    self.events.append((number, event))
                    self.stream_id = self.stream_id or event.get("id") or event["response"]["id"]
                    self.done = event.get("type") in ("response.completed", "response.incomplete")
                    if len(self.events) == most or self.done:
                        return

    def text(self, index: int = 0) -> str:
        numbers = [number for number, _ in self.events]
        assert numbers == list(range(len(numbers))), "gapless, and each once"
        assert not [event for _, event in self.events if "error" in event]
        if self.stream_id.startswith("resp_"):
            return "".join(event["delta"] for _, event in self.events if event["type"] == "response.output_text.delta")
        found = [choice for _, event in self.events for choice in event["choices"] if choice["index"] == index]
        pieces = [choice["delta"].get("content") if "delta" in choice else choice["text"] for choice in found]
        return "".join(piece or "" for piece in pieces)


def kill_workers(hearth: Hearth) -> None:
    for worker in hearth.workers():
        worker.kill()


def restart_web(hearth: Hearth) -> None:
    hearth.stop_web()
    hearth.start_web()


def reload_web(hearth: Hearth) -> None:
    assert hearth.web is not None
    before = {worker.pid for worker in hearth.workers()}
    os.kill(hearth.web.pid, signal.SIGHUP)
    until(lambda: not before & {worker.pid for worker in hearth.workers()}, 60, "the old workers are gone")
