"""What operators are told of the requests of all web workers, and how they end one. Over stand-ins for the engine."""

from pathlib import Path

import pytest
from msgspec import structs

from engine_proc.serving import operating
from schemas import wire
from tests.engine_proc.helpers import on_a_loop
from tests.engine_proc.stand_ins import Room, generate

ANN, BOB = b"ann", b"bob"


@on_a_loop
async def test_the_requests_of_all_workers_are_listed_the_oldest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    room = Room(tmp_path, max_queue=9)
    await room.start(1, ANN, n=2, tenant="name:ann", user="u" * 300)
    await room.start(2, BOB)
    await room.start(3, BOB)
    monkeypatch.setattr(operating, "MOST_LISTED", 2)
    room.receive(wire.AskRequests(), BOB)
    ((client, told),) = room.take()
    assert client == BOB
    assert told.total == 3
    assert [request.name for request in told.listed] == ["cmpl-1", "cmpl-2"]
    first = told.listed[0]
    assert (first.tenant, first.user, first.sequences) == ("name:ann", "u" * 64, 2)
    assert first.seconds >= told.listed[1].seconds >= 0


@pytest.mark.parametrize("given", ["", "the id that a proxy gave"])
@on_a_loop
async def test_one_is_ended_whoever_has_it(tmp_path: Path, given: str) -> None:
    room = Room(tmp_path)
    room.receive(structs.replace(generate(1, n=2), request_id=given))
    await room.settle()
    room.take()
    keys = list(room.engine.tags)
    (other,) = await room.start(2, ANN)
    room.receive(wire.EndRequest(name="cmpl-1"), BOB)
    await room.settle()
    (told, failed), (asker, ended) = room.take()
    assert (told, failed.id, failed.status, failed.code, failed.resumable) == (ANN, 1, 499, "ended_by_operator", False)
    assert (asker, ended) == (BOB, wire.Ended(name="cmpl-1", found=True))
    assert room.engine.aborted == keys
    assert await room.step((other, {"text": "x"}))


@on_a_loop
async def test_one_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    room = Room(tmp_path)
    room.receive(generate(1))
    room.receive(wire.EndRequest(name="cmpl-1"))
    await room.settle()
    room.take()
    room.receive(wire.EndRequest(name="cmpl-1"))
    assert room.take() == [(ANN, wire.Ended(name="cmpl-1"))]
    assert room.engine.aborted or not room.engine.tags, "what was being planned has ended, too"
