"""A batch from its first line to its last words, with a stand-in for the model."""

import asyncio
import io
import json
import os
import signal
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from engine_proc.adapter.loading.set_up import SetUpError
from engine_proc.batch import driver, process
from engine_proc.batch.files import Done
from engine_proc.batch.process import EXIT_INTERRUPTED, _Run
from engine_proc.batch.progress import Tally
from engine_proc.exit_status import EXIT_ENGINE_GONE, EXIT_LOAD_FAILED, EXIT_USAGE
from engine_proc.serving.server import Server
from engine_proc.settings import Settings
from tests.engine_proc.helpers import eventually, on_a_loop, settings_in
from tests.engine_proc.stand_ins import Engine, Output, Starter
from tests.schemas.requests.usage import usage


class Model(Engine):
    """Answers each sequence with its number, at once or when told; knows how many there were at once."""

    def __init__(self) -> None:
        super().__init__()
        self.config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_seqs=4))
        self.held = False
        self.live = self.most = 0
        self.down = False

    async def submit(self, tag: Any, prepared: Any, *, stream: bool, raw: bool, sent: list[int]) -> str:
        key = await super().submit(tag, prepared, stream=stream, raw=raw, sent=sent)
        self.live += 1
        self.most = max(self.most, self.live)
        if not self.held:
            self.answer(key)
        return key

    def answer(self, key: str) -> None:
        self.steps.put_nowait([Output(self.tags[key], text=key, token_ids=[1, 2], finish_reason="stop")])

    async def step(self) -> list[Output]:
        outputs = await super().step()
        self.live -= len(outputs)
        return outputs

    def shutdown(self, timeout: float) -> None:
        self.down = True


class Stage:
    """One run, what it reads and what it has written."""

    def __init__(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.out = tmp_path / "out.jsonl"
        self.settings = settings_in(tmp_path)
        self.model: Model | None = None
        self.problem: BaseException | None = None
        self.held = False
        monkeypatch.setattr(process, "load_and_attach", self._load)

    def _load(self, settings: Settings, argv: list[str], server: Server) -> Model:
        if self.problem is not None:
            raise self.problem
        self.model = Model()
        self.model.held = self.held
        server.welcome.served_names = ["stand-in"]
        server.attach(cast(Any, self.model), cast(Any, Starter()))
        return self.model

    async def run(self, *lines: bytes, limit: int | None = None, done: Done | None = None, fd: int = -1) -> int:
        fd = fd if fd >= 0 else os.open(self.out, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        run = _Run(self.settings, [], limit, Tally(len(lines)))
        return await run.run(io.BytesIO(b"".join(lines)), fd, done or Done(), "HINT")

    def results(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.read_bytes().splitlines()]


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def line(custom_id: str, **body: Any) -> bytes:
    whole = {"custom_id": custom_id, "method": "POST", "url": "/v1/completions", "body": {"prompt": "abc", **body}}
    return json.dumps(whole).encode() + b"\n"


def test_every_line_gets_one_result(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    @on_a_loop
    async def test() -> None:
        assert await stage.run(line("a"), b"not json\n", line("b", n=2), line("c", stop="refused")) == 0

    test()
    by_id = {result["custom_id"]: result for result in stage.results()}
    assert len(stage.results()) == 4
    body = by_id["a"]["response"]["body"]
    assert by_id["a"]["response"]["request_id"] == body["id"]
    assert (body["object"], body["model"]) == ("text_completion", "stand-in")
    assert body["usage"] == usage(3, 2)
    assert [choice["index"] for choice in by_id["b"]["response"]["body"]["choices"]] == [0, 1]
    assert by_id["c"]["response"]["status_code"] == 400
    assert by_id["c"]["response"]["body"]["error"]["param"] == "temperature"
    assert by_id[None]["error"]["line"] == 2
    assert stage.model is not None
    assert stage.model.down
    captured = capsys.readouterr()
    assert "batch: 2 answered, 2 failed (" in captured.err
    assert "HINT" not in captured.err
    assert captured.out == ""


@on_a_loop
async def _holds_the_limit(stage: Stage, limit: int | None, most: int) -> None:
    lines = [line(f"a{number}", n=1 + number % 3) for number in range(60)]
    assert await stage.run(*lines, limit=limit) == 0
    assert len({result["custom_id"] for result in stage.results()}) == 60
    assert stage.model is not None
    assert stage.model.most <= most


def test_no_more_is_in_flight_than_was_asked_for(stage: Stage) -> None:
    _holds_the_limit(stage, 5, 5)


def test_twice_what_the_engine_runs_at_once_is_in_flight(stage: Stage) -> None:
    _holds_the_limit(stage, None, 8)


def test_a_line_of_more_choices_than_the_limit_goes_alone(stage: Stage) -> None:
    _holds_the_limit(stage, 2, 3)


def test_where_nothing_is_left_to_do_no_model_is_loaded(stage: Stage, capsys: pytest.CaptureFixture[str]) -> None:
    @on_a_loop
    async def test() -> None:
        assert await stage.run(line("a"), b"not json\n", line("b"), done=Done({"a", "b"}, {2})) == 0

    test()
    assert stage.model is None
    assert stage.results() == []
    assert "0 answered, 0 failed, 3 already done" in capsys.readouterr().err


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_what_is_finished(
    stage: Stage, number: signal.Signals, capsys: pytest.CaptureFixture[str]
) -> None:
    stage.held = True

    @on_a_loop
    async def test() -> None:
        running = asyncio.create_task(stage.run(line("a"), line("b"), b"not json\n"))
        await eventually(lambda: stage.model and len(stage.model.tags) == 2, "both are in flight")
        assert stage.model is not None
        stage.model.answer("key-2")
        await eventually(lambda: len(stage.results()) == 2, "one has ended, and one is refused")
        os.kill(os.getpid(), number)
        assert await running == EXIT_INTERRUPTED

    test()
    assert [result["custom_id"] for result in stage.results()] in (["b", None], [None, "b"])
    assert "batch: interrupted: 1 answered, 1 failed" in (err := capsys.readouterr().err)
    assert "batch: HINT" in err


def test_when_vllm_dies_what_it_had_in_hand_is_not_called_done(stage: Stage) -> None:
    stage.held = True

    @on_a_loop
    async def test() -> None:
        running = asyncio.create_task(stage.run(line("a"), line("b", stop="broken")))
        await eventually(lambda: stage.model and stage.model.tags, "the model is there")
        assert stage.model is not None
        await asyncio.sleep(0.02)
        stage.model.steps.put_nowait(RuntimeError("EngineGone"))
        assert await running == EXIT_ENGINE_GONE

    test()
    assert stage.results() == []


def test_a_defect_of_one_request_is_its_result(stage: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver, "FAILURE_DELAY", 0.01)

    @on_a_loop
    async def test() -> None:
        assert await stage.run(line("a", stop="broken"), line("b")) == 0

    test()
    assert sorted(result["response"]["status_code"] for result in stage.results()) == [200, 500]


@pytest.mark.parametrize(
    ("problem", "status"),
    [(RuntimeError("no memory"), EXIT_LOAD_FAILED), (SetUpError("a wrong flag"), EXIT_USAGE), (SystemExit(0), 0)],
)
def test_a_model_that_cannot_be_loaded(stage: Stage, problem: BaseException, status: int) -> None:
    stage.problem = problem

    @on_a_loop
    async def test() -> None:
        assert await stage.run(line("a"), line("b")) == status

    test()
    assert stage.results() == []


def test_an_output_that_is_closed_ends_the_batch(stage: Stage) -> None:
    @on_a_loop
    async def test() -> None:
        read_end, write_end = os.pipe()
        os.close(read_end)
        assert await stage.run(line("a"), line("b"), fd=write_end) == process.EXIT_FILE

    test()
