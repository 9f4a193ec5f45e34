"""Which requests are begun when another engine has died of one of them, over stand-ins for the engine."""

import asyncio
from pathlib import Path
from typing import Any

import pytest

from engine_proc.adapter.outputs import EngineGone
from engine_proc.serving import quarantine
from engine_proc.serving.failures import CRASHED
from schemas import wire
from schemas.errors import unavailable
from tests.engine_proc.helpers import eventually, on_a_loop
from tests.engine_proc.stand_ins import Output, Room, generate

ANN, BOB = b"ann", b"bob"


@pytest.fixture(autouse=True)
def _at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "GATHER_SECONDS", 0.0)
    monkeypatch.setattr(quarantine, "PATIENCE_SECONDS", 60.0)


class Quarantined(Room):
    """A room whose suspects a test can name by their numbers."""

    def __init__(self, tmp_path: Path) -> None:
        super().__init__(tmp_path, max_queue=99)
        self.pump = asyncio.create_task(self.server.pump())

    async def suspects(self, *numbers: int, client: bytes = ANN, **fields: Any) -> None:
        """Send suspects, the youngest first."""
        for number in numbers:
            self.receive(generate(number, **{"resumed": True, "losses": 1, "age": float(number), **fields}), client)
        await self.settle()

    async def send(self, *messages: wire.Message) -> None:
        for message in messages:
            self.receive(message)
        await self.settle()

    @property
    def begun(self) -> list[int]:
        """The requests whose sequences the engine has got, in this order."""
        return [tag.request.id for tag in self.engine.tags.values()]

    def tests(self) -> list[tuple[int, bool]]:
        """What has been tested since the last call, and whether alone."""
        return [(message.id, message.alone) for _, message in self.take() if isinstance(message, wire.Testing)]

    def cleared(self) -> list[int]:
        return [id_ for _, message in self.take() if isinstance(message, wire.Cleared) for id_ in message.ids]

    async def generate(self, *requests: int, tokens: int = 1) -> None:
        """A step after which each sequence of these requests has so many tokens, and none has an output."""
        for key, tag in self.engine.tags.items():
            if tag.request.id in requests:
                self.engine.tokens[key] = tokens
        await self.engine.steps.put([])
        await self.settle()

    async def finish(self, request: int) -> None:
        tags = [tag for tag in self.engine.tags.values() if tag.request.id == request]
        await self.engine.steps.put([Output(tag, "x", [1], "stop") for tag in tags])
        await self.settle()


# ---- one after the other ----------------------------------------------------------------------------------------


@on_a_loop
async def test_without_suspects_all_are_begun_at_once(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.send(generate(1), generate(2))
    assert room.begun == [1, 2]
    assert room.tests() == []


@on_a_loop
async def test_the_first_suspect_is_tested_alone_and_everyone_waits_for_it(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, 2, 3)
    await room.send(generate(9))
    assert room.begun == [1]
    assert room.take() == [(ANN, wire.Testing(id=1, alone=True)), (ANN, wire.Accepted(id=1, prompt_tokens=3))]

    await room.generate(1)
    assert room.begun == [1, 2, 3, 9]
    messages = [message for _, message in room.take() if not isinstance(message, wire.Accepted)]
    assert messages == [wire.Cleared(ids=[1]), wire.Testing(id=2), wire.Testing(id=3)]


@on_a_loop
async def test_what_is_new_is_begun_beside_later_tests(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, 2, 3, 4)
    await room.generate(1)
    await room.send(generate(9))
    assert room.begun == [1, 2, 3, 9]


@on_a_loop
async def test_groups_grow_up_to_eight(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(*range(30))
    groups = []
    while started := [id_ for id_, _ in room.tests()]:
        groups.append(started)
        for number in started:
            assert room.begun[-1] == started[-1], "the next group waits for the last of this one"
            await room.generate(number)
    assert [len(group) for group in groups] == [1, 2, 4, 8, 8, 7]
    assert room.begun == list(range(30))


@on_a_loop
async def test_the_youngest_of_all_web_workers_is_the_first(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    room.receive(generate(5, losses=1, age=5.0), ANN)
    room.receive(generate(2, losses=1, age=2.0), BOB)
    room.receive(generate(9, losses=1, age=9.0), ANN)
    await room.settle()
    assert room.take()[0] == (BOB, wire.Testing(id=2, alone=True))
    await room.generate(2)
    assert room.tests() == [(5, False), (9, False)]


@on_a_loop
async def test_beside_a_request_that_is_not_suspected_no_test_is_alone(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.send(generate(9))
    await room.suspects(1)
    await room.send(generate(10))
    assert room.tests() == [(1, False)]
    assert room.begun == [9, 1, 10]


@on_a_loop
async def test_planning_belongs_to_the_test(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    room.starter.gate.clear()
    await room.suspects(1, 2)
    assert (room.starter.begun, room.tests()) == (1, [(1, True)])
    await room.generate()
    assert room.cleared() == []
    room.starter.gate.set()
    await room.settle()
    await room.generate(1)
    assert room.begun == [1, 2]


# ---- the end of a test ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("losses", "tokens"), [(1, 1), (2, 8), (3, 64)])
@on_a_loop
async def test_the_more_engines_it_has_lost_the_further_it_must_get(tmp_path: Path, losses: int, tokens: int) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, losses=losses, n=2)
    await room.generate(1, tokens=tokens - 1)
    assert room.cleared() == []
    room.engine.tokens["key-1"] = tokens
    await room.generate()
    assert room.cleared() == [], "one choice has not got as far as the other"
    await room.generate(1, tokens=tokens)
    assert room.cleared() == [1]
    await room.generate(1, tokens=tokens + 1)
    assert room.cleared() == []


@on_a_loop
async def test_a_number_of_losses_beyond_reason_is_no_burden(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, losses=2**62)
    await room.generate(1, tokens=10**6)
    assert room.cleared() == [1]


@on_a_loop
async def test_a_beam_search_counts_by_its_steps(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, 2, sampling=wire.Sampling(use_beam_search=True))
    (request,) = [request for request in room.server.live if request.searches]

    class Beam:
        def __init__(self) -> None:
            self.request = request

        def receive(self, output: Any) -> list[wire.Delta]:
            return []

        def to_parse(self, output: Any) -> int:
            return 0

    assert room.tests() == [(1, True)]
    await room.generate()
    assert room.cleared() == []
    await room.engine.steps.put([Output(Beam(), "", [1], "length")])
    await room.settle()
    assert room.tests() == [(2, False)]


@pytest.mark.parametrize("end", ["finish", "abort", "silence", "refusal", "defect"])
@on_a_loop
async def test_a_test_that_ends_makes_way_for_the_next(tmp_path: Path, end: str) -> None:
    room = Quarantined(tmp_path)
    script = {"refusal": "refused", "defect": "broken"}.get(end)
    await room.suspects(1, client=BOB, sampling=wire.Sampling(stop=[script] if script else []))
    await room.suspects(2)
    if end == "finish":
        await room.finish(1)
    elif end == "abort":
        room.receive(wire.Abort(ids=[1]), BOB)
    elif end == "silence":
        room.server.abort_client(BOB, "it has sent nothing for too long")
    await room.settle()
    assert room.begun[-1] == 2
    assert room.tests() == [(1, True), (2, True)]


@on_a_loop
async def test_a_suspect_that_is_aborted_before_its_test_is_never_begun(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, 2)
    await room.send(generate(9), wire.Abort(ids=[2, 9]))
    await room.generate(1)
    assert room.begun == [1]
    assert [request.id for request in room.server.live] == [1]
    await room.send(generate(10))
    assert room.begun == [1, 10]


@on_a_loop
async def test_whoever_waits_for_vllm_does_not_keep_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "PATIENCE_SECONDS", 0.01)
    room = Quarantined(tmp_path)
    await room.suspects(1, 2)
    await room.send(generate(9))
    await eventually(lambda: room.begun == [1, 2, 9], "all are begun")
    assert room.tests() == [(1, True), (1, False), (2, False)], "the first is no longer alone, and is told so"
    await room.generate(1, 2)
    assert sorted(room.cleared()) == [1, 2]


# ---- isolated suspects ------------------------------------------------------------------------------------------


@on_a_loop
async def test_an_isolated_suspect_is_tested_with_nothing_beside_it(tmp_path: Path) -> None:
    room = Quarantined(tmp_path)
    await room.send(generate(9), generate(10))
    await room.suspects(1)
    await room.suspects(7, isolated=True, losses=2)
    room.take()
    await room.generate(1)
    handed_back = [(m.id, m.code, m.resumable) for _, m in room.take() if isinstance(m, wire.Failed)]
    assert handed_back == [(9, "engine_testing", True), (10, "engine_testing", True), (1, "engine_testing", True)]
    assert [request.id for request in room.server.live] == [7]
    assert room.engine.aborted == ["key-1", "key-2", "key-3"]
    assert room.begun[-1] == 7

    await room.send(generate(11, resumed=True), generate(12))
    await room.suspects(2)
    assert room.begun[-1] == 7, "all wait"
    await room.generate(7, tokens=8)
    assert room.begun[4:] == [2, 11, 12]
    assert room.tests() == [(2, False)]


@on_a_loop
async def test_the_test_of_an_isolated_suspect_has_no_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "PATIENCE_SECONDS", 0.01)
    room = Quarantined(tmp_path)
    await room.suspects(7, isolated=True)
    await room.suspects(1)
    await asyncio.sleep(0.05)
    assert room.begun == [7]


# ---- the end of the engine --------------------------------------------------------------------------------------


@pytest.mark.parametrize("death", [True, False])
@on_a_loop
async def test_an_engine_that_ends_tests_nothing_more(tmp_path: Path, death: bool) -> None:
    room = Quarantined(tmp_path)
    await room.suspects(1, 2, 3)
    await room.send(generate(9))
    room.take()
    if death:
        await room.engine.steps.put(EngineGone())
        await room.settle()
        assert room.pump.exception()
    await room.server.strand_all(CRASHED if death else unavailable("The engine is being stopped.", "engine_stopping"))
    await asyncio.sleep(0.01)
    messages = [message for _, message in room.take()]
    assert [message.id for message in messages if isinstance(message, wire.Failed)] == [1, 2, 3, 9]
    assert not any(isinstance(message, wire.Testing) for message in messages)
    assert room.begun == [1]
