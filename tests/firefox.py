"""A real Firefox, Debian's, driven by WebDriver BiDi: Playwright drives only Firefoxes of its own."""

import json
import re
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

FIREFOX = "/usr/bin/firefox-esr"
WAIT = 120.0
"""Seconds: the machine may be busy."""
ENTER = "\ue007"


class Firefox:
    """One window. `faults` has what its console was told as errors, and exceptions that no script caught."""

    def __init__(self, connection: ClientConnection) -> None:
        self._connection = connection
        self._sent = 0
        self.faults: list[str] = []
        self.ask("session.new", capabilities={"alwaysMatch": {"acceptInsecureCerts": True}})
        self.ask("session.subscribe", events=["log.entryAdded"])
        self._context = self.ask("browsingContext.getTree")["contexts"][0]["context"]

    def ask(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Send a command and return its result. Raises RuntimeError where the browser refuses it."""
        self._sent += 1
        self._connection.send(json.dumps({"id": self._sent, "method": method, "params": parameters}))
        while True:
            message = json.loads(self._connection.recv(timeout=WAIT))
            if message["type"] == "event":
                self._on_log(message["params"])
            elif message["type"] == "error":
                raise RuntimeError(f"{method}: {message['message']}")
            elif message["id"] == self._sent:
                result: dict[str, Any] = message["result"]
                return result

    def _on_log(self, entry: dict[str, Any]) -> None:
        if entry.get("level") == "error":
            self.faults.append(str(entry.get("text")))

    def open(self, url: str) -> None:
        self.ask("browsingContext.navigate", context=self._context, url=url, wait="complete")

    def reload(self) -> None:
        self.ask("browsingContext.reload", context=self._context, wait="complete")

    def evaluate(self, expression: str) -> Any:
        """Return what a script's expression is, a text, a number, a truth value or None."""
        found = self.ask("script.evaluate", expression=expression, target={"context": self._context}, awaitPromise=True)
        assert found["type"] == "success", found
        return found["result"].get("value")

    def until(self, expression: str) -> None:
        """Wait until an expression is true. Raises AssertionError after `WAIT` seconds."""
        end = time.monotonic() + WAIT
        while not self.evaluate(f"Boolean({expression})"):
            assert time.monotonic() < end, expression
            time.sleep(0.2)

    def type(self, text: str) -> None:
        """Press the keys of `text` where the focus is."""
        keys = [{"type": kind, "value": key} for key in text for kind in ("keyDown", "keyUp")]
        source = {"type": "key", "id": "keyboard", "actions": keys}
        self.ask("input.performActions", context=self._context, actions=[source])


@contextmanager
def firefox() -> Iterator[Firefox]:
    with tempfile.TemporaryDirectory(prefix="hearth-firefox-") as profile:
        command = [FIREFOX, "--headless", "--no-remote", "--profile", profile, "--remote-debugging-port", "0"]
        log = Path(profile, "log")
        with log.open("wb") as output:
            process = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
        try:
            with connect(f"{_address(process, log)}/session", max_size=None, compression=None) as connection:
                yield Firefox(connection)
        finally:
            process.kill()
            process.wait()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    end = time.monotonic() + WAIT
    while time.monotonic() < end:
        found = re.search(r"WebDriver BiDi listening on (ws://\S+)", log.read_text(errors="replace"))
        if found:
            return found[1]
        assert process.poll() is None, log.read_text(errors="replace")
        time.sleep(0.2)
    raise AssertionError(f"Firefox does not listen: {log.read_text(errors='replace')}")
