"""A real Prometheus, Debian's, that scrapes a Hearth with the shipped configuration."""

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, free_port, until

DEPLOY = PROJECT_ROOT / "deploy/prometheus"


class Prometheus:
    def __init__(self, port: int) -> None:
        self.url = f"http://127.0.0.1:{port}"

    def ask(self, expression: str) -> list[dict[str, Any]]:
        answer = httpx.get(f"{self.url}/api/v1/query", params={"query": expression}, timeout=30).json()
        assert answer["status"] == "success", (expression, answer)
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def is_up(self) -> bool:
        try:
            return any(sample["value"][1] == "1" for sample in self.ask('up{job="hearth"}'))
        except (httpx.TransportError, ValueError):  # it answers in plain text until it has read its data
            return False


@contextmanager
def scraping(hearth: Hearth, directory: Path) -> Iterator[Prometheus]:
    """The shipped configuration, but for the port and how often it asks."""
    port = free_port()
    text = (DEPLOY / "prometheus.yml").read_text()
    text = text.replace("127.0.0.1:6006", f"127.0.0.1:{hearth.port}").replace("15s", "250ms")
    (directory / "prometheus.yml").write_text(text)
    (directory / "hearth-alerts.yml").write_text((DEPLOY / "hearth-alerts.yml").read_text())
    arguments = {
        "config.file": directory / "prometheus.yml",
        "storage.tsdb.path": directory / "data",
        "web.listen-address": f"127.0.0.1:{port}",
    }
    with (directory / "log").open("wb") as log:
        process = subprocess.Popen(
            ["prometheus", *(f"--{name}={value}" for name, value in arguments.items())], stdout=log, stderr=log
        )
    try:
        found = Prometheus(port)
        until(found.is_up, 60, "Prometheus has scraped Hearth")
        yield found
    finally:
        process.terminate()
        process.wait(30)
