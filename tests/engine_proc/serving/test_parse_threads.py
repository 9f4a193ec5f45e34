"""The last output of an answer that vLLM's parsers read: in a thread, while the loop goes on."""

import asyncio
import threading
from pathlib import Path
from typing import Any

import pytest

from engine_proc.serving.parse_threads import QUICK_CHARS, SLOW_THREADS
from schemas import wire
from tests.engine_proc.helpers import eventually, on_a_loop
from tests.engine_proc.stand_ins import Output, Room


class Parsed:
    """A tag whose parser works until it is told to end."""

    def __init__(self, tag: Any, chars: int = 10, error: BaseException | None = None) -> None:
        self.request = tag.request
        self.received = 0
        self.may_end = threading.Event()
        self._tag, self._chars, self._error = tag, chars, error

    def to_parse(self, output: Any) -> int:
        return self._chars

    def receive(self, output: Any) -> list[wire.Delta]:
        self.received += 1
        assert threading.current_thread() is not threading.main_thread()
        assert self.may_end.wait(20)
        if self._error is not None:
            raise self._error
        deltas: list[wire.Delta] = self._tag.receive(output)
        return deltas


async def end(room: Room, *tags: Any) -> "asyncio.Task[None]":
    """One step in which the sequences of all tags end. Returns the pump."""
    pump = asyncio.create_task(room.server.pump())
    await room.engine.steps.put([Output(tag, "x", [1], "stop") for tag in tags])
    await room.settle()
    return pump


def sent(room: Room) -> list[tuple[int, str]]:
    return [(delta.id, delta.text) for _, message in room.take() for delta in message.batch]


@on_a_loop
async def test_other_answers_are_sent_while_one_is_parsed(tmp_path: Path) -> None:
    room = Room(tmp_path)
    (first,), (other,) = await room.start(1), await room.start(2)
    parsed = Parsed(room.engine.tags[first])
    pump = await end(room, parsed, room.engine.tags[other])
    assert sent(room) == [(2, "x")]
    assert room.server.live.has(b"ann", 1)

    parsed.may_end.set()
    await eventually(lambda: room.sent, "the parsed answer is sent")
    assert sent(room) == [(1, "x")]
    assert len(room.server.live) == 0
    pump.cancel()


@on_a_loop
async def test_short_answers_do_not_wait_for_long_ones(tmp_path: Path) -> None:
    room = Room(tmp_path, max_queue=SLOW_THREADS + 1)
    tags = [room.engine.tags[(await room.start(number))[0]] for number in range(SLOW_THREADS + 1)]
    long = [Parsed(tag, QUICK_CHARS + 1) for tag in tags[1:]]
    short = Parsed(tags[0], QUICK_CHARS)
    short.may_end.set()
    pump = await end(room, *long, short)
    await eventually(lambda: room.sent, "the short answer is sent")
    assert sent(room) == [(0, "x")]
    for parsed in long:
        parsed.may_end.set()
    await eventually(lambda: not len(room.server.live), "the long answers are sent")
    pump.cancel()


@on_a_loop
async def test_a_key_with_many_long_answers_does_not_keep_the_long_one_of_another_waiting(tmp_path: Path) -> None:
    many = 2 * SLOW_THREADS
    room = Room(tmp_path, max_queue=many + 1)
    keys = [await room.start(number, tenant="ann") for number in range(many)]
    keys.append(await room.start(many, tenant="bob"))
    *anns, bobs = [Parsed(room.engine.tags[key], QUICK_CHARS + 1) for (key,) in keys]
    bobs.may_end.set()
    pump = await end(room, *anns, bobs)
    anns[0].may_end.set()
    await eventually(lambda: len(room.sent) == 2, "the other key's answer is sent next")
    assert sent(room) == [(0, "x"), (many, "x")]
    for parsed in anns:
        parsed.may_end.set()
    await eventually(lambda: not len(room.server.live), "the long answers are sent")
    pump.cancel()


@on_a_loop
async def test_an_answer_that_nobody_waits_for_is_neither_parsed_nor_sent(tmp_path: Path) -> None:
    room = Room(tmp_path)
    (first,), (second,) = await room.start(1), await room.start(2)
    before, queued = Parsed(room.engine.tags[first]), Parsed(room.engine.tags[second])
    pump = await end(room, before, queued)
    room.receive(wire.Abort(ids=[1, 2]))
    before.may_end.set()
    queued.may_end.set()
    await eventually(lambda: not room.server._threads._tasks, "both have been dealt with")
    assert (before.received, queued.received) == (1, 0)
    assert room.take() == []
    pump.cancel()


class Panic(BaseException):
    """As a library in Rust raises."""


@pytest.mark.parametrize("error", [KeyError("a defect"), Panic()])
@on_a_loop
async def test_a_parser_that_raises_ends_its_request_alone(tmp_path: Path, error: BaseException) -> None:
    room = Room(tmp_path)
    (key,) = await room.start(1)
    parsed = Parsed(room.engine.tags[key], error=error)
    parsed.may_end.set()
    pump = await end(room, parsed)
    await eventually(lambda: room.sent, "the request fails")
    ((_, failed),) = room.take()
    assert (failed.id, failed.status, failed.code) == (1, 500, "internal_error")
    assert not pump.done()
    pump.cancel()
