"""A real gunicorn whose only worker is killed with a batch, over a fake engine; its client is OpenAI's SDK."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest
from openai import OpenAI

from bench.stack import free_port, until
from schemas import wire
from schemas.shared.endpoint import PROJECT_ROOT
from tests.fake_engine import FakeEngine, complete
from tests.webapp.asking import hold
from tests.webapp.batches.conftest import some

pytestmark = pytest.mark.slow

LINES = 40


@pytest.fixture
def _bounded() -> None:
    """Of the kernel's time, not of gevent's, which this process does not use."""


@pytest.fixture
def server(engine: FakeEngine, tmp_path: Path) -> Iterator[tuple[psutil.Process, OpenAI]]:
    port = free_port()
    environment = {
        **os.environ,
        "HEARTH_RUN_DIR": str(tmp_path),
        "HEARTH_BIND": f"127.0.0.1:{port}",
        "HEARTH_ENGINE_SPAWN": "0",
        "HEARTH_BATCH_AT_ONCE": "4",
        "WEB_CONCURRENCY": "1",
    }
    command = [str(Path(sys.executable).with_name("gunicorn")), "wsgi:app"]
    with (tmp_path / "web.log").open("wb") as log:
        process = subprocess.Popen(command, cwd=PROJECT_ROOT, env=environment, stdout=log, stderr=log)
    client = OpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="none", max_retries=5)
    try:
        until(lambda: psutil.Process(process.pid).children(), 60, "a worker is forked")
        yield psutil.Process(process.pid), client
    finally:
        client.close()
        process.send_signal(signal.SIGQUIT)
        process.wait(20)


def test_a_kill_costs_no_line_and_repeats_none(server: tuple[psutil.Process, OpenAI], engine: FakeEngine) -> None:
    master, client = server

    def answer_half(running: FakeEngine, generate: wire.Generate) -> None:
        (complete if len(running.messages(wire.Generate)) <= LINES // 2 else hold)(running, generate)

    engine.on_generate = answer_half
    file = client.files.create(file=("in.jsonl", some(LINES)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    until(lambda: len(engine.messages(wire.Generate)) == LINES // 2 + 4, 30, "half of it is answered")
    for worker in master.children():
        worker.kill()
    engine.on_generate = complete
    until(lambda: client.batches.retrieve(batch.id).status == "completed", 60, "another worker goes on")
    done = client.batches.retrieve(batch.id)
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed) == (LINES, LINES)
    assert done.output_file_id is not None
    results = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert [result["custom_id"] for result in results] == [f"q{number}" for number in range(LINES)]
    assert len(engine.messages(wire.Generate)) <= LINES + 8, "lines that had their results were answered again"
