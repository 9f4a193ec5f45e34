"""What a lost engine means for the requests it had: a pause, or one clear error."""

import logging

import gevent
import pytest

from schemas import wire
from schemas.errors import ApiError
from tests.fake_engine import FakeEngine, complete, welcome
from tests.webapp.asking import accepted, ask, ask_and_hold, hold, rest
from tests.webapp.conftest import wait_until
from webapp.engine import recovery
from webapp.engine.client import EngineClient
from webapp.engine.recovery import LINES_AT_ONCE, MAX_LOSSES
from webapp.engine.reply import HungUp, Reply


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PING_INTERVAL", 0.02)


def begun(engine: FakeEngine, client: EngineClient, *deltas: wire.Delta, n: int = 1, stream: bool = True) -> Reply:
    """A request of which these deltas have come; their ids are filled in."""

    def begin(engine: FakeEngine, generate: wire.Generate) -> None:
        hold(engine, generate)
        for delta in deltas:
            delta.id = generate.id
        engine.send(wire.Deltas(batch=list(deltas)))

    engine.on_generate = begin
    reply = client.submit(wire.Generate(id=client.next_id(), name="", prompts=["Once"], n=n, stream=stream))
    accepted(reply)
    if deltas:
        wait_until(lambda: reply.begun)
    engine.on_generate = hold
    return reply


def taken_up(engine: FakeEngine, count: int = 2) -> wire.Generate:
    """The `count`-th `Generate`, once it has come."""
    wait_until(lambda: len(engine.messages(wire.Generate)) >= count)
    return engine.messages(wire.Generate)[count - 1]


def failure(reply: Reply) -> ApiError:
    with pytest.raises(ApiError) as caught:
        while True:
            reply.deltas()
    return caught.value


def test_a_stream_goes_on_after_what_has_come(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 0, "one ", [1, 5]), wire.Delta(0, 0, "and ", [70_000]))
    old_id = reply.id
    engine.restart("second")

    generate = taken_up(engine)
    assert (generate.sent, generate.ended, generate.resumed) == ({0: [1, 5, 70_000]}, [], True)
    assert generate.id != old_id
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))
    engine.send(wire.Deltas(batch=[wire.Delta(old_id, 0, "late words", [9])]))
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "two", [2], "stop")]))
    assert rest(reply) == "one and two"


def test_each_choice_goes_on_from_where_it_was(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 0, "one ", [1]), wire.Delta(0, 1, "all", [3], "stop"), n=3)
    engine.restart("second")

    generate = taken_up(engine)
    assert (generate.sent, generate.ended) == ({0: [1]}, [1])
    two, three = wire.Delta(generate.id, 0, "two", [2], "stop"), wire.Delta(generate.id, 2, "three", [4], "stop")
    engine.send(wire.Deltas(batch=[two, three]))
    assert rest(reply) == "one alltwothree"


def test_whole_choices_that_have_come_are_not_asked_for_again(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 1, "b", [3], "stop"), n=2, stream=False)
    engine.restart("second")

    generate = taken_up(engine)
    assert (generate.sent, generate.ended) == ({}, [1])
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "a", [2], "stop")]))
    assert rest(reply) == "ba"


def test_it_survives_one_engine_after_the_other(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 0, "one ", [1]))
    for loss in range(1, MAX_LOSSES + 1):
        engine.restart(f"engine {loss}")
        generate = taken_up(engine, loss + 1)
        engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, f"{loss} ", [loss])]))
        while not reply.deltas():
            pass
    engine.restart("the last")

    error = failure(reply)
    assert (error.status, error.code, error.retry_after, error.final) == (500, "engine_lost", None, True)
    assert "Do not send it again" in error.message
    assert wire_client.live == {}


def test_another_model_does_not_go_on(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 0, "one ", [1]))
    engine.on_hello = other = welcome("second")
    other.fingerprint = "f2"
    engine.send(other)

    error = failure(reply)
    assert (error.status, error.code) == (503, "model_changed")
    assert len(engine.messages(wire.Generate)) == 1


def test_an_engine_of_an_older_release_replays_but_does_not_go_on(
    engine: FakeEngine, wire_client: EngineClient
) -> None:
    reply, fresh = begun(engine, wire_client, wire.Delta(0, 0, "one ", [1])), begun(engine, wire_client)
    engine.on_generate = complete
    engine.on_hello = older = welcome("second")
    older.features = []
    engine.send(older)

    assert failure(reply).code == "engine_restarted"
    assert rest(fresh) == "one two"


def test_what_has_come_whole_needs_no_engine(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 0, "all", [1], "stop"))
    engine.restart("second")
    wait_until(lambda: wire_client.require_ready().instance == "second")

    assert rest(reply) == "all"
    assert len(engine.messages(wire.Generate)) == 1


def test_while_it_loads_the_request_waits(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.on_generate = complete
    engine.on_hello = welcome("second", ready=False)
    wait_until(lambda: len(wire_client.recovery) == 1)
    assert reply.deltas(0.05) == []

    engine.on_hello = welcome("second")
    assert rest(reply) == "one two"


def test_without_a_new_engine_it_fails_in_time(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_client.recovery, "_seconds", 0.05)
    reply = ask_and_hold(engine, wire_client)
    engine.on_hello = welcome("second", ready=False)

    error = failure(reply)
    assert (error.status, error.code, error.retry_after) == (503, "engine_gone", 30)
    assert len(wire_client.recovery) == 0


def test_a_client_that_leaves_while_it_waits_is_forgotten(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.on_hello = welcome("second", ready=False)
    wait_until(lambda: len(wire_client.recovery) == 1)
    reply.hang_up()
    with pytest.raises(HungUp):
        reply.deltas()

    engine.restart("second")
    wait_until(lambda: wire_client.state() == "ready")
    gevent.sleep(0.05)
    assert len(engine.messages(wire.Generate)) == 1


def test_an_engine_that_gives_up_alone_gets_the_request_again(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = begun(engine, wire_client, wire.Delta(0, 0, "one ", [1]))
    for time in range(2 * MAX_LOSSES):  # it is not the request that ends an engine
        engine.send(wire.Failed(id=reply.id, status=503, message="Lost contact.", resumable=True))
        generate = taken_up(engine, time + 2)
    engine.send(wire.Deltas(batch=[wire.Delta(generate.id, 0, "two", [2], "stop")]))
    assert rest(reply) == "one two"


def test_every_ping_says_what_is_waited_for(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    wait_until(lambda: wire.Ping(ids=[reply.id]) in engine.messages(wire.Ping))

    reply.close()
    wait_until(lambda: engine.messages(wire.Ping)[-1] == wire.Ping())


def test_the_log_of_many_stranded_requests_is_written_in_several_turns(
    wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    turns = [0]
    monkeypatch.setattr(recovery, "let_others_run", lambda *, in_line: turns.append(len(caplog.messages)))
    caplog.set_level(logging.WARNING)
    names = [f"cmpl-{number}" for number in range(2 * LINES_AT_ONCE + 1)]
    for number, name in enumerate(names):
        wire_client.live[number] = Reply(wire.Generate(id=number, name=name, prompts=["a"]), lambda reply: None)
    wire_client._strand_all()

    assert (len(wire_client.recovery), caplog.messages) == (len(names), [])
    wait_until(lambda: len(caplog.messages) == len(names))
    assert turns == [0, LINES_AT_ONCE, 2 * LINES_AT_ONCE]
    assert all(name in line for name, line in zip(names, caplog.messages, strict=True))


def test_an_engine_that_takes_nothing_leaves_the_request_waiting(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    reply = ask(wire_client)
    send = wire_client._send
    monkeypatch.setattr(wire_client, "_send", lambda payload: False)
    wire_client._strand_all()
    wire_client._resume_stranded()
    assert (len(wire_client.recovery), wire_client.live) == (1, {})

    monkeypatch.setattr(wire_client, "_send", send)
    wire_client._resume_stranded()
    assert rest(reply) == "one two"
