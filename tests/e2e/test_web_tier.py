"""What a web worker is: small, and without the model's world."""

import re
import socket
import subprocess
import sys

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import Hearth, until

MIB = 1024 * 1024


def test_wsgi_imports_nothing_of_the_models_world() -> None:
    check = "import wsgi, sys; assert not {'vllm', 'torch', 'transformers', 'engine_proc'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], cwd=PROJECT_ROOT, check=True)


def test_a_worker_that_has_served_is_under_60_mb(hearth: Hearth) -> None:
    """One that has done nothing else: jobs and conversations import SQLAlchemy, and take 15 MB by it."""
    hearth.stop_web()
    hearth.start_web()
    hearth.wait_ready()
    for _ in range(4):
        hearth.chat("Who are you?")
    sizes = [worker.memory_info().rss / MIB for worker in hearth.workers()]
    assert len(sizes) == 2
    assert max(sizes) < 60


def test_health_names_the_engines_state(hearth: Hearth) -> None:
    body = hearth.get("/health").json()
    assert body["status"] == "ok"
    assert body["engine"] == {"state": "ready", "stage": "ready", "progress": 1.0}


def test_version_names_both_sides(hearth: Hearth) -> None:
    body = hearth.get("/version").json()
    assert body["version"]
    assert body["engine"]["version"].startswith("vllm ")
    assert body["engine"]["pid"] == hearth.welcome().pid


@pytest.mark.field("user")
def test_access_log_line(hearth: Hearth) -> None:
    reply = hearth.post(
        "/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 3, "user": "ann\nx"}
    )
    request_id = reply.json()["id"]
    assert reply.headers["X-Request-ID"] == request_id

    def line() -> str | None:
        return next((line for line in hearth.web_log.read_text().splitlines() if request_id in line), None)

    text = until(line, 5, "the log line")
    pattern = r"POST /v1/chat/completions 200 \S+ ttft=\d+\.\d{3}s total=\d+\.\d{3}s prompt_tokens=\d+ "
    assert re.search(pattern + r"completion_tokens=3 finish=length model=hearth-demo key=- user='ann\\nx'$", text), text


def test_what_is_sent_ahead_makes_no_turn_long(hearth: Hearth) -> None:
    """All in one write: the probe of the hub's turns sees how many are answered before others have their turn."""
    count = 500
    request = b"GET /version HTTP/1.1\r\nHost: localhost\r\n\r\n"
    with socket.create_connection(("127.0.0.1", hearth.port), timeout=60) as connection:
        connection.sendall(request * (count - 1) + request.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
        received = b"".join(iter(lambda: connection.recv(1 << 16), b""))
    assert received.count(b"HTTP/1.1 200 OK\r\n") == count
