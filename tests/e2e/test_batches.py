"""OpenAI's Batch API by its SDK, unchanged, against the real server; and a batch whose workers are killed."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai.types import Batch

from tests.harness import Hearth, until
from webapp.jobs.jobs import LIVE_FILE

QUESTION = "Who are you?"
ENDED = ("completed", "failed", "expired", "cancelled")


@pytest.fixture(scope="module", autouse=True)
def _small_workers(running: Hearth) -> Iterator[None]:
    """Leave workers that have no database: other tests measure their memory."""
    yield
    running.stop_web()
    (running.run_dir / LIVE_FILE).unlink(missing_ok=True)
    running.start_web()


def answer_of(result: dict[str, Any]) -> str:
    return str(result["response"]["body"]["choices"][0]["message"]["content"])


def lines(count: int, url: str = "/v1/chat/completions", **body: Any) -> bytes:
    body = body or {"model": "m", "messages": [{"role": "user", "content": QUESTION}], "temperature": 0}
    whole = [{"custom_id": f"request-{n}", "method": "POST", "url": url, "body": body} for n in range(count)]
    return b"".join(json.dumps(each).encode() + b"\n" for each in whole)


def ended(client: openai.OpenAI, batch: Batch, seconds: float = 120) -> Batch:
    until(lambda: client.batches.retrieve(batch.id).status in ENDED, seconds, "the batch ends")
    return client.batches.retrieve(batch.id)


def test_the_sdks_example(hearth: Hearth, tmp_path: Path) -> None:
    client = hearth.openai()
    path = tmp_path / "batchinput.jsonl"
    path.write_bytes(lines(4))
    with path.open("rb") as file:
        batch_input_file = client.files.create(file=file, purpose="batch")
    batch = client.batches.create(
        input_file_id=batch_input_file.id,
        endpoint="/v1/chat/completions",
        completion_window="24h",
        metadata={"description": "nightly eval job"},
    )
    assert batch.status == "validating"
    done = ended(client, batch)
    assert (done.status, done.error_file_id, done.metadata) == (
        "completed",
        None,
        {"description": "nightly eval job"},
    )
    assert done.request_counts is not None
    assert (done.request_counts.total, done.request_counts.completed, done.request_counts.failed) == (4, 4, 0)
    assert done.usage is not None
    assert done.usage.output_tokens > 4
    assert done.output_file_id is not None
    results = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert all("Hearth" in answer_of(result) for result in results), "a line is answered as a request is"
    assert [result["custom_id"] for result in results] == [f"request-{n}" for n in range(4)]
    assert batch.id in [each.id for each in client.batches.list(limit=10)]
    assert {batch_input_file.id, done.output_file_id} <= {each.id for each in client.files.list()}
    for file_id in (batch_input_file.id, done.output_file_id):
        assert client.files.delete(file_id).deleted
    with pytest.raises(openai.NotFoundError):
        client.files.content(done.output_file_id)


@pytest.mark.parametrize(
    ("endpoint", "body"),
    [("/v1/completions", {"prompt": ["Once", "Twice"], "max_tokens": 4}), ("/v1/responses", {"input": QUESTION})],
)
def test_other_endpoints(hearth: Hearth, endpoint: Any, body: dict[str, Any]) -> None:
    client = hearth.openai()
    file = client.files.create(file=("in.jsonl", lines(1, endpoint, **body)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint=endpoint, completion_window="24h")
    done = ended(client, batch)
    assert done.output_file_id is not None, done
    (result,) = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert result["response"]["status_code"] == 200


def test_a_batch_is_cancelled(hearth: Hearth) -> None:
    client = hearth.openai()
    long = lines(50, model="m", messages=[{"role": "user", "content": "x"}], ignore_eos=True, max_tokens=400)
    file = client.files.create(file=("in.jsonl", long), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    until(lambda: client.batches.retrieve(batch.id).status == "in_progress", 60, "it runs")
    assert client.batches.cancel(batch.id).status in ("cancelling", "cancelled")
    assert ended(client, batch).status == "cancelled"
    until(lambda: hearth.live() == 0, 30, "its lines are aborted in the engine")


def test_no_kill_of_a_worker_costs_a_line_or_repeats_one(hearth: Hearth) -> None:
    client = hearth.openai()
    file = client.files.create(file=("in.jsonl", lines(120)), purpose="batch")
    batch = client.batches.create(input_file_id=file.id, endpoint="/v1/chat/completions", completion_window="24h")
    chosen = random.Random(3)
    for _ in range(2):
        time.sleep(chosen.uniform(0.5, 2.0))
        for worker in hearth.workers():
            os.kill(worker.pid, signal.SIGKILL)
        until(lambda: hearth.get("/health").status_code == 200, 60, "the web tier is back")
    done = ended(client, batch, 200)
    assert (done.status, done.request_counts and done.request_counts.completed) == ("completed", 120)
    assert done.output_file_id is not None
    results = [json.loads(line) for line in client.files.content(done.output_file_id).text.splitlines()]
    assert [result["custom_id"] for result in results] == [f"request-{n}" for n in range(120)]
    assert all("Hearth" in answer_of(result) for result in results)
