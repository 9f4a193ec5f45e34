"""`python -m engine_proc batch` with the real model: a thousand lines, a kill in the middle, pipes, and a signal."""

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.shared.endpoint import PROJECT_ROOT
from tests.harness import FORKED, LOAD_SECONDS, SPAWNED, Hearth, processes_of, until

LINES = 1000
FLOAT32 = ("--dtype", "float32")
"""Else a near tie may fall otherwise where other lines are in the batch."""


def request(number: int, **body: Any) -> dict[str, Any]:
    """Chats and completions by turns, short and greedy."""
    prompt: dict[str, Any] = {"prompt": f"The number {number} is"}
    url = "/v1/completions"
    if number % 2:
        prompt = {"messages": [{"role": "user", "content": f"What is {number} plus 1?"}]}
        url = "/v1/chat/completions"
    body = {**prompt, "temperature": 0, "max_tokens": 8, **body}
    return {"custom_id": f"line-{number}", "method": "POST", "url": url, "body": body}


def thousand_lines() -> bytes:
    """With three bad ones: one is no JSON, one has a bad field, one a name that was there before."""
    lines = [json.dumps(request(number)).encode() + b"\n" for number in range(LINES)]
    lines[100] = b"not json\n"
    lines[500] = json.dumps(request(500, temperature=9)).encode() + b"\n"
    lines[900] = json.dumps({**request(900), "custom_id": "line-1"}).encode() + b"\n"
    return b"".join(lines)


class Batch:
    """One process of a batch, by what it is given and what it says."""

    def __init__(self, tmp_path: Path, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> None:
        self.marker = f"{tmp_path}-{time.monotonic_ns()}"
        self.log = tmp_path / "stderr.log"
        # A thread that waits for a line of standard input holds a lock, for which a forked process would wait for ever.
        start = FORKED if stdin == subprocess.DEVNULL else SPAWNED
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "engine_proc", "batch", *arguments],
                cwd=PROJECT_ROOT,
                env={**os.environ, **start, "HEARTH_RUN_DIR": str(tmp_path / "run"), "TEST_MARKER": self.marker},
                stdin=stdin,
                stdout=subprocess.PIPE,
                stderr=log,
            )

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def wait(self, status: int) -> None:
        assert self.process.wait(LOAD_SECONDS) == status, self.said()

    def gone(self) -> bool:
        return not processes_of(self.marker)


@contextlib.contextmanager
def batch(tmp_path: Path, *arguments: str, stdin: int | None = subprocess.DEVNULL) -> Iterator[Batch]:
    running = Batch(tmp_path, *arguments, stdin=stdin)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()
        until(running.gone, 10, "no process of the batch is left")


def results_in(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_bytes().splitlines()]


@pytest.mark.timeout(3 * LOAD_SECONDS)
def test_a_thousand_lines_through_a_kill(precise: Hearth, tmp_path: Path) -> None:
    given, out = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    given.write_bytes(thousand_lines())
    out.touch()

    def finished() -> int:
        return out.read_bytes().count(b"\n")

    with batch(tmp_path, str(given), "-o", str(out), "--in-flight", "16", *FLOAT32) as first:
        until(lambda: finished() >= 200 or first.process.poll() is not None, LOAD_SECONDS, "200 lines are done")
        assert len(processes_of(first.marker)) >= 2, "vLLM has processes of its own"
        first.process.send_signal(signal.SIGKILL)
        first.wait(-signal.SIGKILL)
        until(first.gone, 10, "vLLM's processes have ended too")
    before = finished()
    assert 200 <= before < LINES
    with out.open("ab") as file:
        file.write(b'{"id":"batch_req_torn","custom_id":"line-')

    with batch(tmp_path, str(given), "-o", str(out), *FLOAT32) as second:
        second.wait(0)
    assert f"{before} already done" in second.said()
    assert second.process.stdout is not None
    assert second.process.stdout.read() == b""

    results = results_in(out)
    assert len(results) == LINES
    assert len({result["id"] for result in results}) == LINES
    failed = [result for result in results if (result["response"] or {}).get("status_code") != 200]
    by_code = {result["custom_id"]: (result["error"] or {}).get("code") for result in failed}
    assert by_code == {None: "invalid_json_line", "line-500": None, "line-1": "duplicate_custom_id"}
    _assert_as_over_http(precise, {result["custom_id"]: result for result in results if result not in failed})

    with batch(tmp_path, str(given), "-o", str(out)) as third:
        third.wait(0)
    assert f"0 answered, 0 failed, {LINES} already done" in third.said()
    assert "vLLM" not in third.said(), "nothing was to be done, so no model was loaded"
    assert finished() == LINES


def _assert_as_over_http(hearth: Hearth, by_id: dict[str, dict[str, Any]]) -> None:
    for number in range(1, LINES, 37):
        line = request(number)
        ours = by_id[line["custom_id"]]["response"]["body"]
        theirs = hearth.post(line["url"], line["body"]).json()
        for body in (ours, theirs):
            assert body.pop("id")
            assert body.pop("created")
        assert ours == theirs


@pytest.mark.engine("batch")
@pytest.mark.timeout(2 * LOAD_SECONDS)
def test_pipes_give_each_answer_as_it_comes_and_term_ends_all(tmp_path: Path) -> None:
    with batch(tmp_path, "-", "-o", "-", stdin=subprocess.PIPE) as running:
        source, sink = running.process.stdin, running.process.stdout
        assert source is not None
        assert sink is not None
        for number in (1, 2):
            source.write(json.dumps(request(number, n=2, logprobs=number % 2 == 1 or 1)).encode() + b"\n")
            source.flush()
            result = json.loads(sink.readline())
            assert result["custom_id"] == f"line-{number}"
            choices = result["response"]["body"]["choices"]
            assert [choice["index"] for choice in choices] == [0, 1]
            assert all(choice["logprobs"] for choice in choices)
        source.write(json.dumps(request(3, max_tokens=1900, ignore_eos=True, n=8)).encode() + b"\n")
        source.flush()
        time.sleep(0.5)
        running.process.send_signal(signal.SIGTERM)
        running.wait(130)
        assert sink.read() == b"", "standard output carries results alone"
        assert "batch: interrupted: 2 answered, 0 failed" in running.said()
        until(running.gone, 10, "vLLM's processes have ended")
