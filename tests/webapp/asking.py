"""Requests over the wire alone, without HTTP."""

from schemas import wire
from tests.fake_engine import FakeEngine
from tests.webapp.conftest import wait_until
from webapp.engine.client import EngineClient
from webapp.engine.reply import Reply


def ask(client: EngineClient) -> Reply:
    return client.submit(wire.Generate(id=client.next_id(), name="", prompts=["Once"], stream=True))


def ask_and_hold(engine: FakeEngine, client: EngineClient) -> Reply:
    """A request that the engine has accepted and says nothing more about."""
    engine.on_generate = hold
    return accepted(ask(client))


def rest(reply: Reply) -> str:
    text = ""
    while not reply.consumed:
        text += "".join(delta.text for delta in reply.deltas())
    return text


def answer(client: EngineClient) -> str:
    return rest(ask(client))


def accepted(reply: Reply) -> Reply:
    wait_until(lambda: reply.accepted is not None)
    return reply


def hold(engine: FakeEngine, generate: wire.Generate) -> None:
    """Accept, and say nothing more."""
    engine.send(wire.Accepted(id=generate.id, prompt_tokens=7))


def never_accept(engine: FakeEngine, generate: wire.Generate) -> None:
    pass
