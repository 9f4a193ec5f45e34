"""Many log probabilities at once: they are sent over several turns of the loop, and their request is live meanwhile."""

import asyncio
from pathlib import Path

import pytest

from engine_proc.serving import outbox
from schemas import wire
from tests.engine_proc.helpers import on_a_loop
from tests.engine_proc.stand_ins import Output, Room

SCORED = [wire.TokenLogprob("a", 1, -0.5, (("a", 1, -0.5),) * 4) for _ in range(10)]


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox, "MOST_LOGPROBS", 40)


@on_a_loop
async def test_choices_that_end_in_one_step_are_sent_in_turns(tmp_path: Path) -> None:
    room = Room(tmp_path)
    keys = await room.start(1, n=3)
    sent: list[int] = []

    async def other_work() -> None:
        while True:
            sent.append(len(room.sent))
            await asyncio.sleep(0)

    work = asyncio.create_task(other_work())
    outputs = [Output(room.engine.tags[key], "x", [1] * 10, "stop", logprobs=SCORED) for key in keys]
    pump = asyncio.create_task(room.server.pump())
    await room.engine.steps.put(outputs)
    await room.settle()
    pump.cancel()
    work.cancel()
    batches = [message.batch for _, message in room.take()]
    assert [[delta.index for delta in batch] for batch in batches] == [[0], [1], [2]]
    assert {1, 2} <= set(sent), "other work has its turn between two messages"
    assert all(output.logprobs is None for output in outputs), "to free all of them at once takes long"
    assert len(room.server.live) == 0


@on_a_loop
async def test_a_ping_between_two_messages_finds_the_request(tmp_path: Path) -> None:
    room = Room(tmp_path)
    keys = await room.start(1, n=2)
    outputs = [Output(room.engine.tags[key], "x", [1] * 10, "stop", logprobs=SCORED) for key in keys]
    pump = asyncio.create_task(room.server.pump())
    await room.engine.steps.put(outputs)
    while not room.sent:
        await asyncio.sleep(0)
    room.receive(wire.Ping(ids=[1]))
    await room.settle()
    pump.cancel()
    kinds = [type(message) for _, message in room.take()]
    assert kinds == [wire.Deltas, wire.Pong, wire.Deltas]
    assert len(room.server.live) == 0


@on_a_loop
@pytest.mark.parametrize("minor", [wire.PARTS_MINOR, wire.PARTS_MINOR - 1])
async def test_what_is_sent_is_not_kept_until_all_is_sent(tmp_path: Path, minor: int) -> None:
    room = Room(tmp_path)
    room.receive(wire.Hello(major=wire.MAJOR, minor=minor))
    room.take()
    await room.start(1, n=3)
    deltas = [wire.Delta(1, index, "x", [1] * 10, logprobs=[*SCORED], prompt_logprobs=[*SCORED]) for index in range(3)]
    kept: list[int] = []

    async def watch() -> None:
        while True:
            kept.append(sum(delta.logprobs is not None for delta in deltas))
            await asyncio.sleep(0)

    watching = asyncio.create_task(watch())
    await room.server.outbox.send(b"ann", deltas)
    watching.cancel()
    assert {2, 1} <= set(kept)
    assert all(delta.logprobs is None and delta.prompt_logprobs is None for delta in deltas)


@on_a_loop
async def test_what_is_light_goes_in_one_message(tmp_path: Path) -> None:
    room = Room(tmp_path)
    keys = await room.start(1, n=3)
    few = {"text": "x", "token_ids": [1], "logprobs": SCORED[:1]}
    ((_, batch),) = await room.step(*((key, few) for key in keys))
    assert len(batch) == 3


@on_a_loop
async def test_a_long_answer_is_sent_in_parts_to_who_can_join_them(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(wire.Hello(major=wire.MAJOR, minor=wire.PARTS_MINOR))
    room.take()
    (key,) = await room.start(1)
    answer = {
        "text": "x",
        "token_ids": [1] * 10,
        "finish_reason": "stop",
        "logprobs": SCORED,
        "prompt_logprobs": SCORED,
    }
    room.engine.tags[key].scored_apart = True
    batches = await room.step((key, answer))
    assert [[len(delta.logprobs or delta.prompt_logprobs or ()) for delta in batch] for _, batch in batches] == [
        [8],
        [2, 8],
        [2],
    ]
    assert [delta.more for _, batch in batches for delta in batch] == [True, True, True, False]
    assert len(room.server.live) == 0


@pytest.mark.parametrize("minor", [None, wire.PARTS_MINOR - 1])
@on_a_loop
async def test_an_older_web_tier_gets_a_long_answer_whole(tmp_path: Path, minor: int | None) -> None:
    room = Room(tmp_path)
    if minor is not None:
        room.receive(wire.Hello(major=wire.MAJOR, minor=minor))
        room.take()
    (key,) = await room.start(1)
    answer = {"text": "x", "token_ids": [1] * 10, "finish_reason": "stop", "logprobs": SCORED}
    ((_, batch),) = await room.step((key, answer))
    assert [(delta.more, delta.logprobs) for delta in batch] == [(False, SCORED)]
