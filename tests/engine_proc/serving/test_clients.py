"""Which wire the web workers speak."""

import pytest

from engine_proc.serving import clients
from engine_proc.serving.clients import Clients
from schemas import wire


def test_a_worker_that_was_silent_for_a_while_gets_parts_again() -> None:
    """It sends no second `Hello` to the engine that it knows."""
    known = Clients()
    known.record_hello(b"new", wire.PARTS_MINOR)
    known.record_hello(b"old", wire.PARTS_MINOR - 1)
    known.forget(b"new")
    known.record_message(b"new")
    assert [known.joins_parts(client) for client in (b"new", b"old", b"unknown")] == [True, False, False]


def test_reloads_do_not_fill_the_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(clients, "MOST_KNOWN", 3)
    known = Clients()
    for number in range(9):
        known.record_hello(b"stays", wire.PARTS_MINOR)
        known.record_hello(b"%d" % number, wire.PARTS_MINOR)
    assert len(known._minors) == 3
    assert known.joins_parts(b"stays")
