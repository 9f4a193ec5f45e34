"""A command asks an engine, at an address of either kind."""

import asyncio
from contextlib import closing

import pytest

from engine_proc.commands.asking import ask
from engine_proc.serving.router import Router
from schemas import wire
from tests.engine_proc.helpers import eventually, on_a_loop
from tests.harness import free_port


@pytest.mark.parametrize("host", ["127.0.0.1", "[::1]"])
@on_a_loop
async def test_addresses_of_both_kinds_are_listened_at(host: str) -> None:
    endpoint = f"tcp://{host}:{free_port()}"
    received: list[tuple[bytes, bytes]] = []
    with closing(Router(endpoint, lambda *message: received.append(message), lambda _: None)):
        answer = asyncio.get_running_loop().run_in_executor(None, ask, endpoint, wire.Ping())
        await eventually(lambda: received, "the message has come")
        answer.cancel()
    assert wire.decode_to_engine(received[0][1]) == wire.Ping()
