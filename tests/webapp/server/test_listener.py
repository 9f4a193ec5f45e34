"""A worker that can open no more files: connections wait, one line says so, and nothing is lost."""

import logging
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from tests.webapp.conftest import wait_until
from webapp.server import listener
from webapp.server.listener import Listener


@pytest.fixture
def served(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Listener, list[Any]]]:
    """A listener, and the connections that it has accepted."""
    monkeypatch.setattr(listener, "PAUSE_SECONDS", 0.05)
    monkeypatch.setattr(Listener, "_logged_at", -listener.LOG_SECONDS)
    accepted: list[Any] = []

    def handle(connection: Any, address: Any) -> None:
        accepted.append(connection)
        connection.recv(1)

    server = Listener(("127.0.0.1", 0), handle)
    server.start()
    yield server, accepted
    server.stop()


def test_connections_wait_until_files_can_be_opened(
    served: tuple[Listener, list[Any]], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    server, accepted = served
    attempts: list[int] = []
    full, has_room = [True], server._has_room

    def has_room_after_a_while() -> bool:
        attempts.append(1)
        return not full[0] and has_room()

    monkeypatch.setattr(server, "_has_room", has_room_after_a_while)
    address = ("127.0.0.1", server.server_port)
    with caplog.at_level(logging.ERROR, "hearth.worker"), socket.create_connection(address):
        wait_until(lambda: len(attempts) > 2)
        assert accepted == []
        full[0] = False
        wait_until(lambda: accepted)
    assert [record.message for record in caplog.records] == [
        "connections wait: this worker has too many open files. Raise `ulimit -n`."
    ]


def test_some_files_are_left_to_the_rest_of_the_process(served: tuple[Listener, list[Any]]) -> None:
    server, _ = served
    assert server._has_room()
    server.highest = 3  # those that every process has
    assert not server._has_room()
