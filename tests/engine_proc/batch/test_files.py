"""The two files of a batch: what is read, what is kept, and what a kill leaves."""

import asyncio
import io
import json
import os
import threading
from pathlib import Path
from typing import BinaryIO

import pytest

from engine_proc.batch import files
from engine_proc.batch.files import Done, FileProblem, Results, count_lines, open_results, read_lines
from engine_proc.batch.lines import invalid_line
from schemas.replies.batches.results import answered
from tests.engine_proc.helpers import on_a_loop


async def lines_of(file: BinaryIO) -> list[tuple[int, bytes]]:
    return [line async for line in read_lines(file)]


def reopen(path: Path, *, overwrite: bool = False) -> Done:
    fd, done = open_results(path, overwrite=overwrite)
    os.close(fd)
    return done


def result(custom_id: str) -> bytes:
    return answered(custom_id, "cmpl-1", 200, b'{"choices":[]}')


@on_a_loop
async def test_lines_keep_their_numbers_and_blank_ones_are_left_out() -> None:
    assert await lines_of(io.BytesIO(b"a\n\n \r\nb\r\nc")) == [(1, b"a\n"), (4, b"b\r\n"), (5, b"c")]


def test_counting_leaves_blank_lines_out(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    path.write_bytes(b"a\n\n \r\nb\r\nc")
    assert count_lines(path) == 3


@on_a_loop
async def test_a_line_beyond_the_limit_is_cut_and_the_next_is_whole() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "MAX_LINE_BYTES", 4)
        given = io.BytesIO(b"x" * 23 + b"\nabc\n12345\n")
        assert await lines_of(given) == [(1, b"xxxxx"), (2, b"abc\n"), (3, b"12345")]


@on_a_loop
async def test_a_pipe_gives_each_line_as_it_comes() -> None:
    read_end, write_end = os.pipe()
    with os.fdopen(read_end, "rb") as source, os.fdopen(write_end, "wb", buffering=0) as sink:
        lines = read_lines(source)
        sink.write(b"one\n")
        assert await anext(lines) == (1, b"one\n")
        sink.write(b"two\n")
        assert await anext(lines) == (2, b"two\n")
        sink.close()
        with pytest.raises(StopAsyncIteration):
            await anext(lines)


@on_a_loop
async def test_no_more_is_read_than_is_wanted_soon() -> None:
    class Endless(io.RawIOBase):
        taken = 0

        def readline(self, size: int | None = -1) -> bytes:
            self.taken += 1
            return b"line\n"

    source = Endless()
    lines = read_lines(source)  # type: ignore[arg-type]
    await anext(lines)
    await asyncio.sleep(0.05)
    assert source.taken <= files.READ_AHEAD + 2


def test_a_new_file_has_nothing(tmp_path: Path) -> None:
    assert reopen(tmp_path / "out.jsonl") == Done()


def test_ids_and_refused_lines_are_found_again(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    refused = invalid_line(None, 7, "invalid_json_line", "...") + invalid_line("a", 9, "duplicate_custom_id", "...")
    path.write_bytes(result("b") + refused + result("c"))
    assert reopen(path) == Done({"b", "c"}, {7, 9})


@pytest.mark.parametrize("cut", [1, 5, 60])
def test_a_torn_last_line_is_cut_off(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(result("a") + result("b")[:-cut])
    assert reopen(path).ids == {"a"}
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_bytes().endswith(b"\n")


@pytest.mark.parametrize(
    "content",
    [b"my diary", b"a,b\n1,2\n", b'{"id":"x","custom_id":"a","error":null}\n', b"[1]\n", b'{"custom_id":"a"}\n', b"\n"],
)
def test_a_file_that_is_no_batch_output_is_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "diary.txt"
    path.write_bytes(content)
    with pytest.raises(FileProblem, match="not the output of a batch"):
        reopen(path)
    assert path.read_bytes() == content


def test_overwrite_starts_anew(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    path.write_bytes(b"my diary")
    assert reopen(path, overwrite=True) == Done()
    assert path.read_bytes() == b""


def test_two_batches_do_not_write_to_one_file(tmp_path: Path) -> None:
    path = tmp_path / "out.jsonl"
    fd, _ = open_results(path, overwrite=False)
    with pytest.raises(FileProblem, match="another batch"):
        open_results(path, overwrite=True)
    os.close(fd)
    reopen(path)


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileProblem, match=r"nowhere/out.jsonl cannot be written: No such file"):
        reopen(tmp_path / "nowhere" / "out.jsonl")


@on_a_loop
async def test_results_are_written_in_order() -> None:
    read_end, write_end = os.pipe()
    results = Results(write_end, lambda error: None)
    for number in range(100):
        results.add(b"%d\n" % number)
    await results.flush()
    os.close(write_end)
    assert os.fdopen(read_end, "rb").read().split() == [b"%d" % number for number in range(100)]


@on_a_loop
async def test_a_reader_that_is_slow_holds_the_batch_back_and_not_the_loop() -> None:
    read_end, write_end = os.pipe()
    results = Results(write_end, lambda error: None)
    line = b"x" * 1023 + b"\n"
    for _ in range(200):  # a pipe holds 64
        results.add(line)
    await asyncio.sleep(0.01)
    for _ in range(files.MAX_UNWRITTEN + 1):
        results.add(line)
    waiting = asyncio.create_task(results.room())
    await asyncio.sleep(0.05)
    assert not waiting.done()
    reader = threading.Thread(target=lambda: os.fdopen(read_end, "rb").read())
    reader.start()
    await waiting
    await results.flush()
    os.close(write_end)
    reader.join()


@on_a_loop
async def test_an_output_that_fails_is_told_once() -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    errors: list[OSError] = []
    results = Results(write_end, errors.append)
    results.add(b"one\n")
    await results.flush()
    results.add(b"two\n")
    await results.flush()
    await results.room()
    assert [type(error) for error in errors] == [BrokenPipeError]
    os.close(write_end)


def test_a_result_line_is_json_with_the_answer_as_it_is() -> None:
    line = json.loads(answered("字", "cmpl-1", 200, '{"text":"字"}'.encode()))
    assert line.pop("id").startswith("batch_req_")
    response = {"status_code": 200, "request_id": "cmpl-1", "body": {"text": "字"}}
    assert line == {"custom_id": "字", "response": response, "error": None}
