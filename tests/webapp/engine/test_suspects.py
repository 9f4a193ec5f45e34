"""Which of the requests that an engine had is taken for its killer, and what that means for the others."""

import gevent
import pytest

from schemas import wire
from schemas.errors import ApiError
from tests.fake_engine import FakeEngine, welcome
from tests.webapp.asking import accepted, ask, hold, rest
from tests.webapp.conftest import wait_until
from webapp.engine.client import EngineClient
from webapp.engine.reply import Reply


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wire, "PING_INTERVAL", 0.02)


@pytest.fixture
def engine(engine: FakeEngine) -> FakeEngine:
    """An engine that tests suspects, and says nothing by itself."""
    engine.on_hello = quarantining("first")
    engine.on_generate = hold
    return engine


def quarantining(instance: str, *, ready: bool = True) -> wire.Welcome:
    message = welcome(instance, ready=ready)
    message.features = [wire.RESUMES, wire.EXTENDED, wire.QUARANTINE]
    return message


class Engines:
    """One engine after the other. Each `next` is the death of the one before."""

    def __init__(self, engine: FakeEngine, client: EngineClient) -> None:
        self._engine = engine
        self._client = client
        self._seen = 0
        self._said = 0

    def start(self, count: int) -> list[Reply]:
        """Requests that the first engine has accepted."""
        replies = [accepted(ask(self._client)) for _ in range(count)]
        self._seen = count
        return replies

    def next(self, instance: str, *, ready: bool = True, resumed: int = 0) -> list[wire.Generate]:
        """Another engine. Returns the requests that it gets, `resumed` of them."""
        self._engine.on_hello = message = quarantining(instance, ready=ready)
        self._engine.send(message)
        self._seen += resumed
        wait_until(lambda: self._client.welcome == message)
        wait_until(lambda: len(self._engine.messages(wire.Generate)) >= self._seen)
        gevent.sleep(0.05)
        messages = self._engine.messages(wire.Generate)
        assert len(messages) == self._seen
        return messages[self._seen - resumed :]

    def say(self, *messages: wire.Message) -> None:
        """Send messages, and wait until the client has received them."""
        for message in messages:
            self._engine.send(message)
        self._said += 1
        state = self._engine.on_hello
        assert isinstance(state, wire.Welcome)
        marker = wire.Load(ready=state.load.ready, stage=f"said {self._said}")
        self._engine.pong = wire.Pong(instance=state.instance, load=marker)
        wait_until(lambda: self._client.load == marker)
        self._engine.pong = None


@pytest.fixture
def engines(engine: FakeEngine, wire_client: EngineClient) -> Engines:
    return Engines(engine, wire_client)


def evidence(generates: list[wire.Generate]) -> list[tuple[int, bool]]:
    return [(generate.losses, generate.isolated) for generate in generates]


def killer_error(reply: Reply) -> ApiError:
    with pytest.raises(ApiError) as caught:
        while True:
            reply.deltas(5)
    assert (caught.value.status, caught.value.code, caught.value.final) == (500, "engine_lost", True)
    assert caught.value.message.endswith("engines ended while they worked on this request. Do not send it again.")
    return caught.value


def test_after_a_death_all_are_suspects(engines: Engines) -> None:
    engines.start(2)
    gevent.sleep(0.05)
    first, second = engines.next("second", resumed=2)
    assert evidence([first, second]) == [(1, False), (1, False)]
    assert first.age > second.age > 0.05


def test_a_request_with_no_acceptance_is_a_suspect_too(
    engine: FakeEngine, wire_client: EngineClient, engines: Engines
) -> None:
    engine.on_generate = lambda *_: None
    ask(wire_client)
    wait_until(lambda: engine.messages(wire.Generate))
    engines.start(0)
    engines._seen = 1
    assert evidence(engines.next("second", resumed=1)) == [(1, False)]


def test_the_one_that_was_tested_alone_is_the_killer_and_the_others_are_resumed(engines: Engines) -> None:
    killer, innocent, other = engines.start(3)
    generates = engines.next("second", resumed=3)
    engines.say(wire.Testing(id=killer.id, alone=True), wire.Accepted(id=killer.id, prompt_tokens=7))
    resumed = engines.next("third", resumed=2)

    assert killer_error(killer).message.startswith("2 engines")
    assert [generate.name for generate in resumed] == [generate.name for generate in generates[1:]]
    assert evidence(resumed) == [(1, False), (1, False)], "the second engine had not begun them"
    for reply in (innocent, other):
        engines.say(
            wire.Testing(id=reply.id, alone=reply is innocent),
            wire.Deltas(batch=[wire.Delta(reply.id, 0, "fine", [1], "stop")]),
        )
        assert rest(reply) == "fine"


def test_the_killer_is_told_while_the_next_engine_loads(engines: Engines) -> None:
    killer, _ = engines.start(2)
    engines.next("second", resumed=2)
    engines.say(wire.Testing(id=killer.id, alone=True))
    engines.next("third", ready=False)
    killer_error(killer)
    engines.next("third", resumed=1)


def test_one_that_was_tested_beside_others_is_isolated_and_then_found_out(engines: Engines) -> None:
    killer, innocent = engines.start(2)
    engines.next("second", resumed=2)
    engines.say(wire.Testing(id=innocent.id, alone=True), wire.Cleared(ids=[innocent.id]), wire.Testing(id=killer.id))
    resumed = engines.next("third", resumed=2)
    assert {generate.id: (generate.losses, generate.isolated) for generate in resumed} == {
        killer.id: (2, True),
        innocent.id: (2, False),
    }

    engines.say(wire.Testing(id=killer.id, alone=True))
    assert evidence(engines.next("fourth", resumed=1)) == [(2, False)]
    assert killer_error(killer).message.startswith("3 engines")


def test_a_test_that_others_have_joined_is_not_alone(engines: Engines) -> None:
    (suspect,) = engines.start(1)
    engines.next("second", resumed=1)
    engines.say(wire.Testing(id=suspect.id, alone=True), wire.Testing(id=suspect.id, alone=False))
    assert evidence(engines.next("third", resumed=1)) == [(2, True)]


def test_an_isolated_one_that_passes_is_one_of_many_again(engines: Engines) -> None:
    (reply,) = engines.start(1)
    engines.next("second", resumed=1)
    engines.say(wire.Testing(id=reply.id))
    engines.next("third", resumed=1)
    engines.say(wire.Testing(id=reply.id, alone=True), wire.Cleared(ids=[reply.id]))
    assert evidence(engines.next("fourth", resumed=1)) == [(3, False)]


def test_no_number_of_deaths_fails_one_that_passes_its_tests(engines: Engines) -> None:
    (reply,) = engines.start(1)
    for number in range(10):
        (generate,) = engines.next(f"engine {number}", resumed=1)
        engines.say(
            wire.Testing(id=generate.id, alone=True),
            wire.Cleared(ids=[generate.id]),
            wire.Deltas(batch=[wire.Delta(generate.id, 0, f"{number} ", [number])]),
        )
    engines.say(wire.Deltas(batch=[wire.Delta(reply.id, 0, "end", [99], "stop")]))
    assert rest(reply) == "0 1 2 3 4 5 6 7 8 9 end"


@pytest.mark.parametrize("code", ["engine_stopping", "engine_testing", "engine_loading"])
def test_an_engine_that_hands_a_request_back_has_not_died_of_it(engines: Engines, code: str) -> None:
    (reply,) = engines.start(1)
    engines.next("second", resumed=1)
    engines.say(wire.Testing(id=reply.id, alone=True))
    engines._engine.on_hello = quarantining("second", ready=False)
    engines.say(
        quarantining("second", ready=False), wire.Failed(id=reply.id, status=503, message="", code=code, resumable=True)
    )
    assert evidence(engines.next("third", resumed=1)) == [(1, False)]


def test_an_engine_that_says_that_it_crashes_has_died(engines: Engines) -> None:
    (reply,) = engines.start(1)
    engines._engine.on_hello = quarantining("first", ready=False)
    crashed = wire.Failed(id=reply.id, status=503, message="", code=wire.CRASHED, resumable=True)
    engines.say(quarantining("first", ready=False), crashed)
    assert evidence(engines.next("second", resumed=1)) == [(1, False)]


def test_an_engine_that_does_not_know_the_request_says_nothing_of_the_one_before(engines: Engines) -> None:
    """A ping may reach the next engine before the client has seen that it is another."""
    (reply,) = engines.start(1)
    lost = wire.Failed(id=reply.id, status=503, message="", code=wire.CONTACT_LOST, resumable=True)
    engines._engine.on_hello = quarantining("first", ready=False)
    engines.say(quarantining("first", ready=False), lost)
    assert evidence(engines.next("second", resumed=1)) == [(1, False)]


def test_an_engine_that_has_lost_contact_lives(engines: Engines) -> None:
    (reply,) = engines.start(1)
    engines.next("second", resumed=1)
    engines.say(wire.Testing(id=reply.id, alone=True))
    lost = wire.Failed(id=reply.id, status=503, message="", code=wire.CONTACT_LOST, resumable=True)
    engines._seen += 1
    engines.say(lost)
    engines.next("second")
    assert evidence(engines.next("third", resumed=1)) == [(1, False)]


def test_what_was_only_handed_back_is_no_suspect(engines: Engines) -> None:
    (reply,) = engines.start(1)
    engines._engine.on_hello = quarantining("first", ready=False)
    stopping = wire.Failed(id=reply.id, status=503, message="", code="engine_stopping", resumable=True)
    engines.say(quarantining("first", ready=False), stopping)
    assert evidence(engines.next("second", resumed=1)) == [(0, False)]


def test_an_engine_that_was_only_silent_has_not_died(engines: Engines, wire_client: EngineClient) -> None:
    engines.start(1)
    wire_client._strand_all()
    assert evidence(engines.next("first", resumed=1)) == [(0, False)]


def test_the_time_to_wait_counts_from_the_first_loss(
    engines: Engines, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_client.recovery, "_seconds", 1.0)
    untested, passed = engines.start(2)
    engines.next("second", resumed=2)
    engines.say(wire.Testing(id=passed.id, alone=True), wire.Accepted(id=passed.id, prompt_tokens=7))
    engines.say(wire.Accepted(id=untested.id, prompt_tokens=7))
    gevent.sleep(1.0)
    engines.say(wire.Cleared(ids=[passed.id]))
    engines.next("third", ready=False)
    with pytest.raises(ApiError) as caught:
        untested.deltas(5)
    assert (caught.value.status, caught.value.code) == (503, "engine_gone")
    assert passed.deltas(0.1) == [], "its wait has only begun"
    assert len(engines.next("third", resumed=1)) == 1


def test_one_that_was_accepted_again_begins_a_new_wait(
    engines: Engines, wire_client: EngineClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(wire_client.recovery, "_seconds", 0.5)
    (reply,) = engines.start(1)
    lost = wire.Failed(id=reply.id, status=503, message="", code="contact_lost", resumable=True)
    engines.say(lost)
    gevent.sleep(0.6)
    engines._seen += 1
    engines.next("second", ready=False)
    assert reply.deltas(0.1) == []
