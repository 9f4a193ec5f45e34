"""A Hearth with every lock on: API keys from a file, CURVE over TCP. On an engine of its own, for it listens on TCP."""

import os
import re
import signal
import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
import zmq

from engine_proc.commands.asking import ask
from engine_proc.commands.keys import make_keys
from schemas import wire
from schemas.shared.curve import ClientKeys, KeyPair, read_client_keys
from tests.harness import Hearth, chat_body, free_port, until

CHAT = "/v1/chat/completions"
ANN, BOB, NAMELESS, NEW = "sk-ann-4f1b", "sk-bob-77c2", "sk-nameless-90aa", "sk-new-3e5d"
SECRETS = (ANN, BOB, NAMELESS, NEW, "sk-wrong-1111")
LOG_LINE = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} [A-Z]+ ")


class Locked:
    """The stack, and the keys to it."""

    def __init__(self, directory: Path) -> None:
        assert make_keys(directory / "curve") == 0
        self.curve = read_client_keys(directory / "curve")
        self.keys_file = directory / "api-keys"
        self.write_keys(f"ann:{ANN}", f"bob:{BOB}", NAMELESS)
        self.endpoint = f"tcp://127.0.0.1:{free_port()}"
        self.hearth = Hearth(
            directory / "run",
            HEARTH_ENGINE_ENDPOINT=self.endpoint,
            HEARTH_CURVE_KEYS=str(directory / "curve"),
            HEARTH_API_KEYS_FILE=str(self.keys_file),
        )

    def write_keys(self, *entries: str) -> None:
        self.keys_file.touch(mode=0o600)
        self.keys_file.write_text("\n".join(entries))

    def post(self, key: str | None, path: str = CHAT, **fields: Any) -> httpx.Response:
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        body = chat_body("Who are you?", **fields)
        return httpx.post(self.hearth.url + path, json=body, headers=headers, timeout=60)

    def welcome(self, keys: ClientKeys | None, seconds: float = 10.0) -> list[Any] | None:
        return ask(self.endpoint, wire.Hello(major=wire.MAJOR, minor=wire.MINOR), keys=keys, seconds=seconds)

    def logs(self) -> str:
        return "".join(file.read_text() for file in self.hearth.run_dir.glob("*.log"))


@pytest.fixture(scope="module")
def locked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Locked]:
    stack = Locked(tmp_path_factory.mktemp("locked"))
    try:
        stack.hearth.start_web()
        stack.hearth.wait_ready()
        yield stack
    finally:
        stack.hearth.shut_down()


# In order: a reload replaces ann's key, and the last test looks at what all of them have left in the logs.


def test_both_tiers_and_the_command_line_meet_over_curve(locked: Locked) -> None:
    assert locked.post(ANN).json()["choices"][0]["message"]["content"].startswith("My name is Hearth")
    status = locked.hearth.engine("status")
    assert f"endpoint      {locked.endpoint}" in status.stdout


def test_strangers_get_nothing_from_the_engine_and_do_it_no_harm(locked: Locked) -> None:
    replies = locked.welcome(locked.curve)
    assert replies is not None
    before = replies[0]
    unknown = replace(locked.curve, own=KeyPair(*zmq.curve_keypair()))
    assert locked.welcome(None, seconds=1.0) is None
    assert locked.welcome(unknown, seconds=1.0) is None
    for _ in range(50):
        with socket.create_connection(("127.0.0.1", int(locked.endpoint.rpartition(":")[2]))) as raw:
            raw.sendall(os.urandom(1000))
    replies = locked.welcome(locked.curve)
    assert replies is not None
    assert (replies[0].pid, replies[0].load_count) == (before.pid, before.load_count)
    assert locked.post(ANN).status_code == 200


def test_what_a_known_but_broken_web_tier_sends_does_the_engine_no_harm(locked: Locked) -> None:
    with zmq.Context() as context:
        for size in (1, 1000, 65 * 1024 * 1024):  # the last is more than a message may have
            with context.socket(zmq.DEALER) as dealer:
                dealer.linger = 2000
                locked.curve.set_on(dealer)
                dealer.connect(locked.endpoint)
                dealer.send(os.urandom(size))
                dealer.send_multipart([b"", b"\x81\xa1t\xa4ping"])
    replies = locked.welcome(replace(locked.curve))
    assert replies is not None
    refused = ask(locked.endpoint, wire.Hello(major=wire.MAJOR + 1, minor=0), keys=locked.curve, seconds=10.0)
    assert refused is not None
    assert "upgrade and restart the engine" in refused[0].message
    assert locked.post(ANN).status_code == 200


@pytest.mark.parametrize("key", [None, "sk-wrong-1111", ANN[:-1]])
def test_without_a_key_there_is_no_answer(locked: Locked, key: str | None) -> None:
    response = locked.post(key)
    assert response.status_code == 401
    assert response.json()["error"]["code"] == "invalid_api_key"


def test_the_file_of_keys_is_read_again_by_a_reload(locked: Locked) -> None:
    """A key is replaced by another of the same name: its conversations stay, and the old key opens nothing."""
    assert locked.post(ANN, conversation_id="kept").status_code == 200
    assert locked.post(NEW).status_code == 401
    old = {worker.pid for worker in locked.hearth.workers()}
    locked.write_keys(f"ann:{NEW}", f"bob:{BOB}", NAMELESS)
    assert locked.post(ANN).status_code == 200, "not before the reload"
    assert locked.hearth.web is not None
    locked.hearth.web.send_signal(signal.SIGHUP)
    until(lambda: not old & {worker.pid for worker in locked.hearth.workers()}, 60, "the old workers have gone")
    until(lambda: locked.post(NEW).status_code == 200, 60, "the new key opens")
    for _ in range(8):  # whichever worker answers
        assert locked.post(ANN).status_code == 401
    headers = {"Authorization": f"Bearer {NEW}"}
    url = f"{locked.hearth.url}/v1/conversations/kept"
    assert httpx.get(url, headers=headers, timeout=30).json()["messages"][0]["content"] == "Who are you?"
    headers = {"Authorization": f"Bearer {BOB}"}
    assert httpx.get(url, headers=headers, timeout=30).status_code == 404


def test_nobody_forges_a_line_of_the_log(locked: Locked) -> None:
    forged = "x\n2026-01-01 00:00:00,000 INFO forged\x1b[2J\r"
    path = "/v1/%0a2026-01-01%2000:00:00,000%20INFO%20forged%1b[2J"
    headers = {"Authorization": f"Bearer {NEW}", "X-Request-ID": "a%0ab"}
    assert locked.post(NEW, user=forged).status_code == 200
    assert httpx.get(locked.hearth.url + path, headers=headers, timeout=30).status_code == 404
    with socket.create_connection(("127.0.0.1", locked.hearth.port)) as raw:
        raw.sendall(b"GET /\x1b[2J HTTP/1.1\r\nHost: x\r\nX-Y: a\x00b\x1b[2J\r\n\r\n")
        raw.settimeout(30)
        assert raw.recv(100).startswith(b"HTTP/1.1 4")
    log = locked.hearth.web_log.read_text()
    assert "\x1b" not in log + (locked.hearth.run_dir / "engine.log").read_text()
    assert not re.search(r"(?m)^2026-01-01 00:00:00", locked.logs())
    assert "user='x\\n2026" in log


def test_keys_stand_in_no_log_and_names_do(locked: Locked) -> None:
    for key in (NEW, NAMELESS, *SECRETS):
        locked.post(key, user="someone")
        locked.post(key, "/v1/nothing")
        httpx.get(f"{locked.hearth.url}/v1/models?api_key=1", headers={"Authorization": key}, timeout=30)
    assert locked.post(NAMELESS).status_code == 200
    logs = until(lambda: (text := locked.logs()) and "key=key-3" in text and text, 10, "the last line is written")
    assert "key=ann" in logs
    curve = [locked.curve.own.secret.decode(), *(key for key in SECRETS)]
    assert [secret for secret in curve if secret in logs] == []
