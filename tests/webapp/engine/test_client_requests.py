"""The web tier's half of the wire: what becomes of a request, whatever the engine says to it."""

from typing import Any

import gevent
import pytest
from gevent.threadpool import ThreadPool

from schemas import wire
from schemas.errors import ApiError
from tests.fake_engine import FakeEngine
from tests.webapp.asking import accepted, answer, ask, ask_and_hold, hold, never_accept, rest
from tests.webapp.conftest import wait_until
from webapp.engine import client as client_module
from webapp.engine.client import EngineClient
from webapp.engine.packing import LARGE
from webapp.engine.reply import HungUp


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PING_INTERVAL", 0.02)


def test_a_request_is_answered(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask(wire_client)
    assert rest(reply) == "one two"
    assert reply.accepted is not None and reply.accepted.prompt_tokens == 7
    reply.close()

    assert wire_client.live == {}
    assert engine.messages(wire.Abort) == []


def test_requests_have_ids_of_their_own_and_get_their_own_deltas(engine: FakeEngine, wire_client: EngineClient) -> None:
    engine.on_generate = hold
    first, second = ask(wire_client), ask(wire_client)
    accepted(first), accepted(second)
    ids = [reply.id for reply in (first, second)]
    engine.send(wire.Deltas(batch=[wire.Delta(id_, 0, f"for {id_}", [1], "stop") for id_ in reversed(ids)]))

    assert len(set(ids)) == 2
    assert [reply.deltas()[0].text for reply in (first, second)] == [f"for {id_}" for id_ in ids]


@pytest.mark.parametrize(
    "payload",
    [b"", b"\xc1garbage", b"\x81\xa1t\xa2\xff\xfe", b"\x81\xa1t\xa6invent", b"\x91" * 5000, wire.encode(wire.Ping())],
    ids=["nothing", "no msgpack", "no UTF-8", "an unknown tag", "a deep array", "of the other direction"],
)
def test_garbage_is_ignored_and_the_next_message_is_read(
    engine: FakeEngine, wire_client: EngineClient, payload: bytes
) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.send(payload)
    engine.send(wire.Deltas(batch=[wire.Delta(reply.id, 0, "fine", [1], "stop")]))

    assert rest(reply) == "fine"


def test_what_belongs_to_no_request_is_ignored(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.send(wire.Accepted(id=99, prompt_tokens=1))
    engine.send(wire.Failed(id=99, status=500, message="no"))
    engine.send(wire.Deltas(batch=[wire.Delta(99, 0, "x", [1]), wire.Delta(reply.id, 0, "fine", [1], "stop")]))

    assert rest(reply) == "fine"


def test_a_refusal_is_raised_with_all_it_says(engine: FakeEngine, wire_client: EngineClient) -> None:
    def refuse(engine: FakeEngine, generate: wire.Generate) -> None:
        engine.send(
            wire.Failed(
                id=generate.id,
                status=429,
                message="Full.",
                type="rate_limit_error",
                code="full",
                param="n",
                retry_after=3,
            )
        )

    engine.on_generate = refuse
    reply = ask(wire_client)
    with pytest.raises(ApiError) as caught:
        reply.wait(5)

    error = caught.value
    assert (error.status, error.message, error.type) == (429, "Full.", "rate_limit_error")
    assert (error.code, error.param, error.retry_after) == ("full", "n", 3)
    reply.close()
    assert wire_client.live == {}
    gevent.sleep(0.05)
    assert engine.messages(wire.Abort) == []


def test_a_failure_after_deltas_comes_after_them(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.send(wire.Deltas(batch=[wire.Delta(reply.id, 0, "half", [1])]))
    engine.send(wire.Failed(id=reply.id, status=500, message="Broken.", type="server_error"))

    assert [delta.text for delta in reply.deltas()] == ["half"]
    with pytest.raises(ApiError, match="Broken"):
        reply.deltas()


def test_a_hang_up_before_the_acceptance_aborts(engine: FakeEngine, wire_client: EngineClient) -> None:
    engine.on_generate = never_accept
    reply = ask(wire_client)
    gevent.spawn_later(0.02, reply.hang_up)

    with pytest.raises(HungUp):
        reply.wait(5)
    wait_until(lambda: engine.messages(wire.Abort) == [wire.Abort(ids=[reply.id])])
    assert wire_client.live == {}


def test_closing_twice_aborts_once(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    reply.close()
    reply.close()

    wait_until(lambda: engine.messages(wire.Abort))
    gevent.sleep(0.05)
    assert len(engine.messages(wire.Abort)) == 1


def test_a_flood_that_nobody_reads_is_aborted(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("webapp.engine.reply.MAX_QUEUED", 100)
    reply = ask_and_hold(engine, wire_client)
    for _ in range(50):
        engine.send(wire.Deltas(batch=[wire.Delta(reply.id, 0, "x", [1])] * 10))

    wait_until(lambda: engine.messages(wire.Abort) == [wire.Abort(ids=[reply.id])])
    assert wire_client.live == {}
    assert len(reply.deltas()) == 100
    with pytest.raises(ApiError) as caught:
        reply.deltas()
    assert caught.value.code == "slow_reader"


def test_what_cannot_travel_is_refused_and_forgotten(engine: FakeEngine, wire_client: EngineClient) -> None:
    with pytest.raises(ApiError) as caught:
        wire_client.submit(wire.Generate(id=0, name="", messages=[{"role": "user", "content": "a", "x": 10**30}]))

    assert caught.value.status == 400
    assert wire_client.live == {}
    assert answer(wire_client) == "one two"


def test_a_large_request_that_cannot_travel_is_refused_too(engine: FakeEngine, wire_client: EngineClient) -> None:
    messages: list[dict[str, Any]] = [
        {"role": "user", "content": "a" * LARGE},
        {"role": "user", "content": "a", "x": 10**30},
    ]
    with pytest.raises(ApiError) as caught:
        wire_client.submit(wire.Generate(id=0, name="", messages=messages))
    assert caught.value.status == 400
    assert wire_client.live == {}


def test_a_large_request_that_ends_while_it_is_packed_is_not_resumed(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    replies = [ask_and_hold(engine, wire_client) for _ in range(2)]

    def pack(generate: wire.Generate, threads: ThreadPool) -> bytes:
        if closed == []:
            closed.append(generate.id)
            replies[0].close()  # its client hangs up
        return wire.encode(generate)

    closed: list[int] = []
    monkeypatch.setattr(client_module, "pack", pack)
    engine.restart("second")
    wait_until(lambda: len(engine.messages(wire.Generate)) == 3)
    assert engine.messages(wire.Generate)[2].id == replies[1].id != closed[0]
    assert list(wire_client.live.values()) == replies[1:]


def test_a_large_request_that_is_resumed_elsewhere_while_it_is_packed_is_sent_once(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = ask_and_hold(engine, wire_client)
    begun: list[int] = []

    def pack(generate: wire.Generate, threads: ThreadPool) -> bytes:
        begun.append(generate.id)
        if len(begun) == 1:
            gevent.spawn(wire_client._resume_stranded)  # the engine has greeted again
            wait_until(lambda: len(begun) == 2)
        else:
            gevent.sleep(0.05)  # the first is ready before this one
        return wire.encode(generate)

    monkeypatch.setattr(client_module, "pack", pack)
    engine.restart("second")
    wait_until(lambda: len(engine.messages(wire.Generate)) == 2)
    gevent.sleep(0.05)
    assert [message.id for message in engine.messages(wire.Generate)[1:]] == [begun[1]] == list(wire_client.live)
    assert wire_client.live[begun[1]] is reply


def test_long_requests_are_resumed_in_several_turns(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client_module, "RESUMED_AT_ONCE", 0)
    replies = [ask_and_hold(engine, wire_client) for _ in range(5)]
    before = set(wire_client.live)
    seen: list[int] = []

    def other_work() -> None:
        while len(seen) < 5 or seen[-1] < 4:
            seen.append(len(set(wire_client.live) - before))
            if seen[-1] == 2 and not closed:
                replies[-1].close()  # its client hangs up while the others are resumed
                closed.append(True)
            gevent.sleep(0)

    closed: list[bool] = []
    work = gevent.spawn(other_work)
    engine.restart("second")
    work.get(timeout=10)
    assert {1, 2, 3, 4} <= set(seen), "other greenlets run between"
    wait_until(lambda: len(engine.messages(wire.Generate)) == 9)
    assert [message.resumed for message in engine.messages(wire.Generate)] == [False] * 5 + [True] * 4
    assert set(wire_client.live.values()) == set(replies[:4])
