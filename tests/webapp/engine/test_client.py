"""The web tier's half of the wire: what it knows of an engine that comes, goes, changes and falls silent."""

from pathlib import Path

import gevent
import pytest
from gevent.pool import Group
from gevent.threadpool import ThreadPool

from schemas import wire
from schemas.errors import ApiError
from schemas.shared.problem import clear_problem, record_problem
from tests.fake_engine import LOADING, READY, FakeEngine, complete, welcome
from tests.webapp.asking import answer, ask, ask_and_hold, never_accept, rest
from tests.webapp.conftest import close_socket, wait_until
from webapp.engine import client as engine_client
from webapp.engine.client import EngineClient


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PING_INTERVAL", 0.02)


def unavailable(client: EngineClient) -> ApiError:
    with pytest.raises(ApiError) as caught:
        client.require_ready()
    assert caught.value.status == 503
    return caught.value


def test_the_first_question_waits_for_the_first_answer(wire_client: EngineClient) -> None:
    assert wire_client.state() == "ready"
    assert wire_client.require_ready().served_names == ["fake", "fake-alias"]


def test_hello_says_which_protocol_is_spoken(engine: FakeEngine, wire_client: EngineClient) -> None:
    wire_client.state()

    hello = engine.messages(wire.Hello)[0]
    assert (hello.major, hello.minor) == (wire.MAJOR, wire.MINOR)


def test_without_an_engine_there_is_none(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.05)
    engine.kill()

    assert wire_client.state() == "gone"
    error = unavailable(wire_client)
    assert (error.code, error.retry_after) == ("engine_gone", 5)
    with pytest.raises(ApiError, match="does not answer"):
        ask(wire_client)
    assert wire_client.live == {}


def test_an_engine_that_has_accepted_the_connection_has_longer_to_greet(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.1)
    engine.on_hello = None
    wire_client.connect()
    gevent.spawn_later(0.5, setattr, engine, "on_hello", welcome())  # a busy host: it is late

    assert wire_client.state() == "ready"


def test_one_that_never_greets_is_not_waited_for_twice(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.05)
    monkeypatch.setattr(engine_client, "BUSY_ANSWER_SECONDS", 0.2)
    engine.silent = True
    assert wire_client.state() == "gone"
    with gevent.Timeout(0.1):
        assert wire_client.state() == "gone"


def test_why_no_engine_runs_is_said(
    engine: FakeEngine, greenlets: Group, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "FIRST_ANSWER_SECONDS", 0.05)
    engine.kill()
    client = EngineClient(engine.endpoint, 10.0, ThreadPool(1), None, tmp_path)
    record_problem(tmp_path, "there is no directory /models/lama")
    error = unavailable(client)
    assert error.message == "The engine is not running: there is no directory /models/lama"
    assert (error.code, error.retry_after) == ("engine_gone", 30)
    clear_problem(tmp_path)
    assert "may be starting" in unavailable(client).message
    greenlets.kill()
    close_socket(client)


def test_an_engine_that_answers_has_no_problem(engine: FakeEngine, wire_client: EngineClient, tmp_path: Path) -> None:
    record_problem(tmp_path, "an old one")
    wire_client._run_dir = tmp_path
    assert wire_client.state() == "ready"
    assert wire_client.problem == ""


def test_an_engine_that_has_just_died_takes_no_request(engine: FakeEngine, wire_client: EngineClient) -> None:
    assert wire_client.state() == "ready"
    engine.kill()
    gevent.sleep(0.2)

    with pytest.raises(ApiError) as caught:
        ask(wire_client)
    assert (caught.value.status, caught.value.code) == (503, "engine_gone")
    assert wire_client.live == {}


def test_an_engine_that_loads_says_how_far_it_has_come_and_then_serves(
    engine: FakeEngine, wire_client: EngineClient
) -> None:
    engine.on_hello = welcome(ready=False)
    assert wire_client.state() == "loading"
    error = unavailable(wire_client)
    assert error.code == "engine_loading"
    assert "loading weights, about 25%" in error.message

    engine.pong = wire.Pong(instance="first", load=wire.Load(stage="capturing", progress=0.75))
    wait_until(lambda: wire_client.load.progress == 0.75)

    engine.on_hello, engine.pong = welcome(), None
    wait_until(lambda: wire_client.state() == "ready")
    assert answer(wire_client) == "one two"


def test_a_pulse_alone_makes_no_engine_ready(engine: FakeEngine, wire_client: EngineClient) -> None:
    """The pulse of a loaded engine may come before the Welcome that says which model it is."""
    engine.on_hello = welcome(ready=False)
    assert wire_client.state() == "loading"
    hellos = len(engine.messages(wire.Hello))
    engine.on_hello, engine.pong = None, wire.Pong(instance="first", load=READY)

    wait_until(lambda: len(engine.messages(wire.Hello)) > hellos)
    assert wire_client.state() == "loading"
    engine.on_hello = welcome()
    wait_until(lambda: wire_client.state() == "ready")
    assert wire_client.require_ready().served_names


@pytest.mark.parametrize("major", [wire.MAJOR - 1, wire.MAJOR + 1])
def test_an_engine_of_another_major_version_is_not_used(
    engine: FakeEngine, wire_client: EngineClient, major: int
) -> None:
    sentence = wire.version_conflict(wire.Hello(major=major, minor=0))
    assert sentence is not None
    engine.on_hello = wire.Refused(message=sentence)

    assert wire_client.state() == "incompatible"
    error = unavailable(wire_client)
    assert (error.code, error.retry_after) == ("engine_incompatible", 60)
    assert sentence in error.message


def test_once_the_engine_is_upgraded_it_is_used(engine: FakeEngine, wire_client: EngineClient) -> None:
    engine.on_hello = wire.Refused(message="no")
    assert wire_client.state() == "incompatible"

    engine.on_hello = welcome()
    wait_until(lambda: wire_client.state() == "ready")


def test_a_restart_loses_nothing_and_serves_what_comes(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.on_generate = never_accept
    unaccepted = ask(wire_client)
    wait_until(lambda: len(engine.messages(wire.Generate)) == 2)
    engine.on_generate = complete
    engine.restart("second")

    assert rest(reply) == "one two"
    assert rest(unaccepted) == "one two"
    assert unaccepted.accepted is not None and unaccepted.accepted.prompt_tokens == 7
    assert answer(wire_client) == "one two"


def test_a_pulse_of_another_instance_is_asked_who_it_is(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.on_generate = complete
    engine.on_hello = welcome("second")

    assert rest(reply) == "one two"


def test_the_same_instance_saying_welcome_again_loses_nothing(engine: FakeEngine, wire_client: EngineClient) -> None:
    reply = ask_and_hold(engine, wire_client)
    engine.restart("first")
    engine.send(wire.Deltas(batch=[wire.Delta(reply.id, 0, "fine", [1], "stop")]))

    assert rest(reply) == "fine"


def test_an_engine_that_was_ready_and_loads_again_is_restarting(engine: FakeEngine, wire_client: EngineClient) -> None:
    assert wire_client.state() == "ready"
    engine.on_hello = welcome("second", ready=False)
    wait_until(lambda: wire_client.load == LOADING)

    assert wire_client.state() == "restarting"
    assert unavailable(wire_client).code == "engine_restarting"


def test_a_silent_engine_is_given_up_and_found_again(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "ENGINE_SILENCE_LIMIT", 0.2)
    reply = ask_and_hold(engine, wire_client)
    old_id = reply.id
    engine.silent = True
    wait_until(lambda: wire_client.state() == "restarting")
    assert wire_client.live == {}

    engine.on_generate = complete
    engine.silent = False
    wait_until(lambda: wire_client.state() == "ready")
    assert rest(reply) == "one two"
    assert old_id in engine.messages(wire.Abort)[0].ids, "it may have been at work all the while"


def test_an_engine_that_answers_pings_is_not_given_up(
    engine: FakeEngine, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_client, "ENGINE_SILENCE_LIMIT", 0.5)
    reply = ask_and_hold(engine, wire_client)

    assert reply.deltas(timeout=1.0) == []
    assert wire_client.state() == "ready"
